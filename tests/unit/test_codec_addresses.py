"""Sender and receiver use the dither of the same addresses; and coefficients as far as it goes.

Neither is left to golden files: the dither of each place is computed anew, from its address.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from models import constant_layers, picture, tiny_hyperprior, tiny_model
from philox_of_paper import dither_at
from unit.test_codec_factorized import factorized_model

from npuq.backend import Array
from npuq.codec.container import unpack
from npuq.codec.files import compress, promised_bits, quantize, read_symbols, write_symbols
from npuq.models.layers import Conv
from npuq.trained.methods import METHODS
from npuq.trained.model import Model

SEED = (7 << 32) + 11
MODELS = {"linear": tiny_model, "hyperprior": tiny_hyperprior, "factorized": factorized_model}


def dither_of(shape: tuple[int, ...], tensor: int) -> Array:
    n = [dither_at(SEED, tensor, *place) for place in np.ndindex(*shape)]
    return np.array(n, np.uint8).reshape(shape)


def both_sides(model: Model, method: str, image: Array) -> tuple[Any, Any]:
    """Symbols as they are sent, and as they are read from the file."""
    sent = quantize(image, model, method, SEED)
    data = compress(image, method=method, model=model, seed=SEED)
    found, header, _ = read_symbols(data, model)
    assert header.seed == SEED
    return sent, found


@pytest.mark.parametrize("kernels", ["fast", "reference"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", MODELS)
def test_both_sides_use_the_dither_of_the_address(
    kind: str, method: str, kernels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of channel, row and column in the whole image, also where a second band begins."""
    monkeypatch.setenv("NPUQ_KERNELS", kernels)
    image = picture(265, 13) if kind == "linear" else picture(530, 33)
    sent, found = both_sides(MODELS[kind](5.0), method, image)
    np.testing.assert_array_equal(found.k, sent.k)
    for symbols in (sent, found):
        assert symbols.k.shape[1] > 32
        np.testing.assert_array_equal(symbols.n, dither_of(symbols.n.shape, 0))
        if kind == "hyperprior":
            np.testing.assert_array_equal(symbols.hyper_n, dither_of(symbols.hyper_n.shape, 1))


def test_no_two_places_channels_tensors_or_seeds_share_their_dither() -> None:
    """Rows of 200 dithers: of other addresses, hardly 1 of 256 places is the same."""
    rows = [
        [dither_at(seed, tensor, channel, row, column) for column in range(200)]
        for seed in (0, 1, 1 << 32)
        for tensor in (0, 1)
        for channel in (0, 1)
        for row in (0, 1)
    ]
    same = (np.array(rows)[:, None] == np.array(rows)).sum(axis=2)[~np.eye(24, dtype=bool)]
    assert same.max() < 12  # 0.8 expected: more than that in none of 276 pairs, but for 1e-9


FAR = np.array([1.0, -1.0, 2e3, -3e5, 2.0**23 + 1, -(2.0**24), 2.0**31 - 128, 128 - 2.0**31])


@pytest.mark.parametrize("kernels", ["fast", "reference"])
@pytest.mark.parametrize("method", METHODS)
def test_far_latents_and_hyper_latents_survive_at_the_price_of_their_escapes(
    method: str, kernels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From 1 to the last float32 below 2^31; scales are clipped long before, and means are 0."""
    monkeypatch.setenv("NPUQ_KERNELS", kernels)
    model = tiny_hyperprior(5.0)
    *up, both = model.params.hyper_synthesis
    is_scale = np.arange(16, dtype=np.float32) < 8
    params = model.params._replace(
        analysis=constant_layers(model.params.analysis, FAR),
        hyper_analysis=constant_layers(model.params.hyper_analysis, FAR[2:]),
        hyper_synthesis=(*up, Conv(both.w * is_scale[:, None, None, None], both.b * is_scale)),
    )
    check_far(model._replace(params=params), method, picture(64, 64))


@pytest.mark.parametrize("method", METHODS)
def test_far_coefficients_of_the_linear_model_survive_at_the_price_of_their_escapes(
    method: str,
) -> None:
    model = tiny_model(5.0)
    scale = np.geomspace(1, 2e8, 192).astype(np.float32).reshape(192, 1, 1, 1)
    params = model.params._replace(analysis=scale * model.params.analysis)
    check_far(model._replace(params=params), method, picture(24, 40))


def check_far(model: Model, method: str, image: Array) -> None:
    sent, found = both_sides(model, method, image)
    for ours, theirs in zip(found, sent, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert abs(sent.k).max() > 2**24
    streams = unpack(write_symbols(sent, model, method, SEED))[1]
    promised = promised_bits(sent, model, method)
    # an end takes up to two bytes, from which zero bytes are left out: a last symbol may have six
    assert abs(8 * sum(map(len, streams)) - promised) <= 8 * 8 * len(streams)

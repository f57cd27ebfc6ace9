"""The models that are only imported, as codecs: the factorized prior, and the scale hyperprior."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models import picture

from npuq.codec.container import pack, unpack
from npuq.codec.files import (
    compress,
    decompress,
    dequantize,
    estimated_bits,
    promised_bits,
    quantize,
    read_symbols,
    write_symbols,
)
from npuq.codec.tiles import analyse
from npuq.coding.dither import dither_values
from npuq.errors import CorruptFileError, ModelError
from npuq.models import factorized, hyperprior
from npuq.models.layers import Conv
from npuq.models.noisy_rate import Softness
from npuq.nn import nonparametric
from npuq.nn.parameters import cast, named_arrays, with_arrays
from npuq.trained import integer_scales
from npuq.trained.make import make_model
from npuq.trained.methods import METHODS
from npuq.trained.model import Model
from npuq.trained.model_file import load_model, save_model

N, M = 4, 6


def larger(params: Any) -> Any:
    """Kernels that make latents of some units."""
    arrays = {
        name: a * np.float32(2.5 if name.endswith(".w") else 1.0)
        for name, a in named_arrays(params).items()
    }
    return with_arrays(params, arrays)


def factorized_model(alpha: float = 0.0) -> Model:
    params = larger(factorized.init(np.random.default_rng(1), channels=N, latents=M))
    medians = np.array([0, 1, -200, 256, 700, -1500])
    return make_model(params, alpha=alpha, lmbda=0.01, name="tiny", medians=medians)


def scale_model() -> Model:
    rng = np.random.default_rng(2)
    params = larger(hyperprior.init(rng, channels=N, latents=M, means=False))
    *convs, last = params.hyper_synthesis
    params = params._replace(hyper_synthesis=(*convs, Conv(last.w, last.b + np.float32(1.5))))
    return make_model(params, alpha=0.0, lmbda=0.01, name="tiny", medians=np.arange(-300, 300, 150))


MODELS = {"factorized": factorized_model, "hyperprior": scale_model}


@pytest.mark.parametrize("shape", [(1, 1), (16, 33), (530, 21)])
@pytest.mark.parametrize("method", METHODS[:2])
@pytest.mark.parametrize("kind", MODELS)
def test_symbols_survive(kind: str, method: str, shape: tuple[int, int]) -> None:
    model, image = MODELS[kind](), picture(*shape, 3)
    assert model.kind == kind
    data = compress(image, method=method, model=model, seed=5)
    found, _, _ = read_symbols(data, model)
    sent = quantize(image, model, method, 5)
    for a, b in zip(found, sent, strict=True):
        np.testing.assert_array_equal(a, b)
    decoded = decompress(data, model=model)
    np.testing.assert_array_equal(decoded, dequantize(sent, model, method))
    assert decoded.shape == image.shape
    unit = 16 if kind == "factorized" else 64
    assert sent.k.shape == (M, *(unit // 16 * -(-side // unit) for side in shape))
    bands = -(-sent.k.shape[1] // 32)
    assert len(unpack(data)[1]) == bands + (kind == "hyperprior")


@pytest.mark.parametrize("alpha", [0.0, 5.0])
@pytest.mark.parametrize("method", METHODS)
def test_latents_are_quantized_about_the_median(method: str, alpha: float) -> None:
    """Eq. (5) for y less its median; and the tables keep the float model's word."""
    if method == "un+uq+sr" and alpha == 0:
        return
    model, image = factorized_model(alpha), picture(224, 256, 4)
    symbols = quantize(image, model, method, 1)
    assert np.unique(symbols.k).size > 5
    promised = promised_bits(symbols, model, method)
    assert promised == pytest.approx(estimated_bits(symbols, model, method), rel=2e-3)
    payload = sum(map(len, unpack(write_symbols(symbols, model, method, 1))[1]))
    assert 8 * payload <= 1.001 * promised + 128
    if method != "un+uq+sr":
        y = analyse(image, model.params, step=1).astype(np.float64)
        assert model.medians is not None
        t = y - model.medians[:, None, None] / 512
        u = dither_values(symbols.n, np.float64) if method == "un+uq" else 0.0
        assert np.max(np.abs(symbols.k + u - t)) <= 0.5 + 1e-5


def test_bits_of_un_q_are_those_of_the_density_at_the_median() -> None:
    """P(k) = c(k + m + 1/2) - c(k + m - 1/2)."""
    model, image = factorized_model(), picture(64, 64, 5)
    symbols = quantize(image, model, "un+q", 0)
    density = cast(model.params.density, np.float64)
    assert model.medians is not None
    y_hat = symbols.k.reshape(M, -1) + model.medians[:, None] / 512
    p = nonparametric.cdf(y_hat + 0.5, density) - nonparametric.cdf(y_hat - 0.5, density)
    estimated = estimated_bits(symbols, model, "un+q")
    assert estimated == pytest.approx(-np.log2(p).sum(), rel=1e-9)


def test_a_file_that_does_not_fit_is_refused() -> None:
    model = factorized_model()
    header, streams = unpack(compress(picture(70, 70, 4), method="un+q", model=model))
    for changed in (
        header._replace(tensors=2),
        header._replace(height=16 * 33),
        header._replace(rows_per_band=64),
    ):
        with pytest.raises(CorruptFileError):
            decompress(pack(changed, streams), model=model)
    with pytest.raises(CorruptFileError):
        decompress(pack(header, [*streams, b""]), model=model)


@pytest.mark.parametrize("kind", MODELS)
def test_model_files(kind: str, tmp_path: Path) -> None:
    model = MODELS[kind]()
    save_model(tmp_path / "a.npz", model)
    loaded = load_model(tmp_path / "a.npz")
    assert (loaded.kind, loaded.hash) == (kind, model.hash)
    image = picture(64, 64)
    data = compress(image, method="un+q", model=model)
    found = decompress(data, model=loaded)
    np.testing.assert_array_equal(found, decompress(data, model=model))


@pytest.mark.parametrize(
    "changes",
    [
        {"offset": np.zeros(M, np.int64)},
        {"offset": np.zeros(M + 1, np.int32)},
        {"offset": np.ones(M, np.int32)},
        {"kind": "hyperprior"},
        {"kind": "linear"},
        {"kind": "quadratic"},
        {"kind": ["factorized"]},
        {"analysis.0.w": np.zeros((N, 3, 5, 5))},
        {"analysis.1.w": np.zeros((N, N + 1, 5, 5), np.float32)},
    ],
    ids=str,
)
def test_contents_that_are_no_factorized_model_are_refused(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    path, buffer = tmp_path / "a.npz", io.BytesIO()
    save_model(path, factorized_model())
    with np.load(io.BytesIO(path.read_bytes())) as file:
        arrays = dict(file)
    manifest = json.loads(arrays["manifest"].tobytes())
    for name, value in changes.items():
        (arrays if isinstance(value, np.ndarray) else manifest)[name] = value
    arrays["manifest"] = np.frombuffer(json.dumps(manifest).encode(), np.uint8)
    np.savez(buffer, **arrays)
    path.write_bytes(buffer.getvalue())
    with pytest.raises(ModelError):
        load_model(path)


def test_integer_scales_of_a_scale_hyperprior_are_the_float_ones_but_for_rounding() -> None:
    """With ReLUs between the layers, of which some must be at work."""
    model = scale_model()
    assert model.hyper is not None
    rng = np.random.default_rng(3)
    w = rng.integers(-5000, 5000, (2, N, 5, 6))
    floats = np.ascontiguousarray(w.transpose(0, 2, 3, 1)) / 512
    params = cast(model.params, np.float64)
    sigma, mu, kept = hyperprior.hyper_synthesise(floats, params)
    found = integer_scales.fixed_point_scales(w, model.hyper.scales) / 2**integer_scales.FRACTION
    error = np.maximum(found, 0) - sigma.transpose(0, 3, 1, 2)
    assert np.max(np.abs(error)) < 2e-3 * np.max(sigma)
    assert np.mean(kept[1] < 0) > 0.2 and np.all(mu == 0) and np.min(sigma) == 0


def test_a_scale_hyperprior_is_not_trained() -> None:
    params = hyperprior.init(np.random.default_rng(0), channels=N, latents=M, means=False)
    with pytest.raises(ValueError, match="no means"):
        hyperprior.loss_forward(
            params,
            np.zeros((1, 64, 64, 3), np.float32),
            np.zeros((1, 1, 1, N), np.float32),
            np.zeros((1, 4, 4, M), np.float32),
            lmbda=1.0,
            softness=Softness(),
        )


@pytest.mark.parametrize("medians", [np.zeros(M + 1, int), np.zeros(M)])
def test_medians_are_an_integer_for_each_channel(medians: Any) -> None:
    params = factorized.init(np.random.default_rng(0), channels=N, latents=M)
    with pytest.raises(ModelError, match="medians"):
        make_model(params, alpha=0.0, lmbda=1.0, name="x", medians=medians)

"""Model files and compressed images of format version 1 stay readable, byte for byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from golden.make_file_golden import (
    HERE,
    METHODS,
    SEED,
    golden_hyperprior_symbols,
    golden_image,
)

from npuq.codec.files import compress, decompress, read_symbols, write_symbols
from npuq.trained.make import make_model
from npuq.trained.model import Model
from npuq.trained.model_file import load_model, save_model


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model(HERE / "model_v1.npz")


def test_old_model_files_are_read(model: Model) -> None:
    assert (model.name, model.alpha, model.alpha_r, model.lmbda) == ("golden", 7.0, 9.0, 0.0125)
    assert model.hash.hex() == "8c241bd5d9d388e2"
    assert model.params.analysis[0, 0, 0, 0] == np.float32(1 / 16)


def test_a_model_file_survives_being_written_again(model: Model, tmp_path: Path) -> None:
    save_model(tmp_path / "again.npz", model)
    again = load_model(tmp_path / "again.npz")
    assert again.hash == model.hash
    for ours, theirs in zip(again.tables, model.tables, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_hash_covers_what_decoding_depends_on(model: Model) -> None:
    """Another softness, or one weight changed in its last bit; but not the name."""
    params = model.params._replace(synthesis=np.nextafter(model.params.synthesis, np.float32(99)))
    for changed in (
        make_model(params, alpha=7.0, alpha_r=9.0, lmbda=0.0125, name="golden"),
        make_model(model.params, alpha=8.0, alpha_r=9.0, lmbda=0.0125, name="golden"),
        make_model(model.params, alpha=7.0, lmbda=0.0125, name="golden"),
    ):
        assert changed.hash != model.hash
    renamed = make_model(model.params, alpha=7.0, alpha_r=9.0, lmbda=1.0, name="other")
    np.testing.assert_array_equal(renamed.tables.first, model.tables.first)


@pytest.mark.parametrize("kernels", ["fast", "reference"])
@pytest.mark.parametrize("method", METHODS)
def test_old_images_decode(
    model: Model, method: str, kernels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPUQ_KERNELS", kernels)
    short = METHODS[method]
    data = (HERE / f"image_v1_{short}.npuq").read_bytes()
    with np.load(HERE / "image_v1_expected.npz") as expected:
        symbols, pixels = expected[f"{short}_symbols"], expected[f"{short}_pixels"]
    found, header, _ = read_symbols(data, model)
    np.testing.assert_array_equal(found.k, symbols)
    assert (header.height, header.width, header.seed) == (265, 13, SEED)
    assert np.any((symbols < model.tables.first[:, None, None]) | (symbols > model.tables.last[0]))
    # soft rounding takes a logarithm, which may end in another grey level elsewhere
    decoded = decompress(data, model=model).astype(int)
    assert np.abs(decoded - pixels).max() <= (1 if method == "un+uq+sr" else 0)
    # a quantization step of 16 grey levels: errors are at most 8 by rounding, 16 with the dither
    assert np.abs(decoded - golden_image()).max() <= (8 if method == "un+q" else 16)


@pytest.mark.parametrize("method", ["un+q", "un+uq"])
def test_images_are_still_written_the_same(model: Model, method: str) -> None:
    """Exact arithmetic up to here: the transform divides by 16. (Soft rounding uses exp.)"""
    data = compress(golden_image(), method=method, model=model, seed=SEED)
    assert data == (HERE / f"image_v1_{METHODS[method]}.npuq").read_bytes()


# ---- the hyperprior model


@pytest.fixture(scope="module")
def hyperprior_model() -> Model:
    return load_model(HERE / "model_hyperprior_v1.npz")


def test_old_hyperprior_models_are_read(hyperprior_model: Model, tmp_path: Path) -> None:
    model = hyperprior_model
    assert (model.kind, model.alpha, model.alpha_r) == ("hyperprior", 7.0, 9.0)
    assert model.hash.hex() == "6f5b826a1046e19d"
    assert model.medians is not None and model.medians.tolist() == [40, -300]
    save_model(tmp_path / "again.npz", model)
    assert load_model(tmp_path / "again.npz").hash == model.hash


@pytest.mark.parametrize("kernels", ["fast", "reference"])
@pytest.mark.parametrize("method", METHODS)
def test_old_hyperprior_files_decode_and_are_still_written_the_same(
    hyperprior_model: Model, method: str, kernels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From symbols to bytes and back all is integers; pixels are floats at the end."""
    monkeypatch.setenv("NPUQ_KERNELS", kernels)
    model, symbols = hyperprior_model, golden_hyperprior_symbols()
    data = (HERE / f"hyperprior_v1_{METHODS[method]}.npuq").read_bytes()
    found, header, _ = read_symbols(data, model)
    for ours, theirs in zip(found, symbols, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert (header.height, header.width, header.seed) == (600, 70, SEED)
    assert write_symbols(symbols, model, method, SEED) == data
    with np.load(HERE / "hyperprior_v1_expected.npz") as expected:
        pixels = expected[METHODS[method]].astype(int)
    assert pixels.std() > 10
    assert np.abs(decompress(data, model=model) - pixels).max() <= 1

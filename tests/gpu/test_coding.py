"""Image files made on either device: CUDA C in the emulator against the host.

Integers decide what a symbol is, so a file decodes to one set of symbols everywhere. An encoder's
coefficients are floats: on a GPU one that lies at the edge between two symbols may fall on the
other side of it, which makes another file, as sound as the first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gpu.conftest import IS_REAL, on_device
from gpu.standin import COUNT
from models import picture, tiny_factorized, tiny_hyperprior, tiny_model

from npuq.backend import usable_device
from npuq.cli import main
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
from npuq.codec.quantizer import look_up_symbols, look_up_values, quantize_into
from npuq.coding.dither import dither_integers
from npuq.coding.noise import noise_place, uniform_noise
from npuq.errors import ModelError, NoDeviceError
from npuq.evaluation.rate_distortion import evaluate_image
from npuq.io.image_writing import write_image
from npuq.trained import model as trained
from npuq.trained.integer_scales import LARGEST, scale_indexes
from npuq.trained.methods import METHODS
from npuq.trained.model import hyper_of
from npuq.trained.model_file import save_model

pytestmark = pytest.mark.usefixtures("device")

MODELS = {
    "linear": lambda: tiny_model(7.0, alpha_r=9.0),
    "hyperprior": lambda: tiny_hyperprior(16.0),
    "factorized": tiny_factorized,
}
CASES = [
    (kind, method)
    for kind in MODELS
    for method in METHODS
    if (kind, method) != ("factorized", "un+uq+sr")  # imported models have no soft rounding
]


# Two bands, and two tiles, with odd sides; and small ones.
SIZES = {("linear", "un+uq+sr"): (280, 50), ("hyperprior", "un+uq"): (530, 60)}


@pytest.mark.parametrize(("kind", "method"), CASES)
def test_a_file_of_either_device_is_one_file(kind: str, method: str) -> None:
    model, image = MODELS[kind](), picture(*SIZES.get((kind, method), (70, 50)))
    how = {"method": method, "model": model, "seed": 9}
    files = {}
    for device in ("cpu", "cuda"):
        COUNT.clear()
        files[device] = compress(image, device=device, **how)
        assert IS_REAL or (COUNT["own"] > 0) == (device == "cuda")
    there = trained.on_device(model, "cuda")
    here_sent, there_sent = (quantize(image, m, method, 9) for m in (model, there))
    differing = int((here_sent.k != there_sent.k).sum()) + (files["cpu"] != files["cuda"])
    assert differing <= (1e-4 * here_sent.k.size + 1 if IS_REAL else 0)
    for data in set(files.values()):
        found = []
        for m in (model, there):
            COUNT.clear()
            symbols, _, _ = read_symbols(data, m)
            assert write_symbols(symbols, m, method, 9) == data
            found.append(symbols)
        assert found[0].same_as(found[1]) and np.ptp(found[0].k) > 6
        assert found[0].same_as(there_sent if data == files["cuda"] else here_sent)
    images = [decompress(files["cpu"], model=model, device=device) for device in files]
    assert np.abs(images[0].astype(int) - images[1]).max() <= 1
    np.testing.assert_array_equal(images[0], dequantize(here_sent, model, method))


def test_figures_of_a_model_on_the_device_are_those_of_the_host() -> None:
    for kind in MODELS:
        model, image = MODELS[kind](), picture(70, 50)
        there, symbols = trained.on_device(model, "cuda"), quantize(image, model, "un+uq", 3)
        for bits in (estimated_bits, promised_bits):
            assert bits(symbols, there, "un+uq") == bits(symbols, model, "un+uq")
        here, there_too = (
            evaluate_image(image, model, "un+uq", device=device).record
            for device in ("cpu", "cuda")
        )
        assert here.psnr == pytest.approx(there_too.psnr, abs=1e-3)
        if not IS_REAL:
            assert (here.bytes, here.bpp_estimated) == (there_too.bytes, there_too.bpp_estimated)


def test_scales_are_the_same_integers() -> None:
    """Of hyper-latents of all sizes, clipped ones among them."""
    scales = hyper_of(tiny_hyperprior(16.0)).scales
    there = hyper_of(trained.on_device(tiny_hyperprior(16.0), "cuda")).scales
    rng = np.random.default_rng(2)
    sizes = 10.0 ** rng.uniform(0, np.log10(600 * LARGEST), (2, 6, 5, 7))
    w = (sizes * rng.choice([-1, 1], sizes.shape)).astype(np.int64)
    want = scale_indexes(w, scales)
    (on_w,) = on_device(w)
    COUNT.clear()
    found = scale_indexes(on_w, there)
    assert IS_REAL or not (COUNT["to device"] or COUNT["waits"])  # the layers lie there
    np.testing.assert_array_equal(found.get(), want)
    assert len(np.unique(want)) > 20


def test_a_band_too_long_for_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Coded in tiles, each computed on the device; the stream is that of the whole band."""
    model, image = tiny_model(), picture(8, 330)
    want = compress(image, method="un+uq", model=model)
    monkeypatch.setattr("npuq.codec.blocks.STRIP_BLOCKS", 40)
    monkeypatch.setattr("npuq.codec.blocks.WIDEST_TILE", 5)
    data = compress(image, method="un+uq", model=model, device="cuda")
    assert IS_REAL or data == want  # there, one coefficient may lie at an edge
    decoded = decompress(data, model=model, device="cuda")
    assert np.abs(decoded.astype(int) - decompress(data, model=model)).max() <= 1


def test_plain_functions_compute_where_their_arguments_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPUQ_KERNELS", "reference")
    rng, window = np.random.default_rng(0), {"seed": 7, "first_column": 5, "first_row": 9}
    n, on_n = (dither_integers((2, 3, 21), device=d, **window) for d in ("cpu", "cuda"))
    np.testing.assert_array_equal(on_n.get(), n)
    place = noise_place(3, 4, 1)
    np.testing.assert_array_equal(
        uniform_noise(on_device(place)[0], (5, 7)).get(), uniform_noise(place, (5, 7))
    )
    y, v = rng.normal(0, 9, n.shape).astype(np.float32), rng.random(256).astype(np.float32)
    k = np.empty(n.shape, np.int32)
    on_y, on_v, on_k = on_device(y, v, k)
    look_up_symbols(y, n, v, k)
    look_up_symbols(on_y, on_n, on_v, on_k)
    np.testing.assert_array_equal(on_k.get(), k)
    np.testing.assert_array_equal(look_up_values(on_k, on_n, on_v).get(), look_up_values(k, n, v))


@pytest.mark.parametrize("far", [np.nan, np.inf, -(2.0**31), 2.0**31])
def test_coefficients_that_no_symbol_has_are_refused(far: float) -> None:
    y = np.zeros((1, 2, 3), np.float32)
    y[0, 1, 1] = far
    on = on_device(np.empty(y.shape, np.int32), y, np.zeros(y.shape, np.uint8))
    with pytest.raises(ModelError, match="beyond 2\\*\\*31"):
        quantize_into(*on, np.full(256, 1 << 15, np.uint16), "a model")


def test_the_device_is_named() -> None:
    model, image = tiny_model(), picture()
    assert usable_device("auto") == usable_device("cuda") == "cuda"
    for refused in ("gpu", "", "CUDA"):
        with pytest.raises(ValueError, match="must be one of cpu, cuda, auto"):
            compress(image, method="un+uq", model=model, device=refused)


def test_without_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("npuq.backend.why_no_cupy", lambda: "it is broken")
    model, image = tiny_model(), picture()
    data = compress(image, method="un+uq", model=model, device="auto")
    assert data == compress(image, method="un+uq", model=model)
    decoded = decompress(data, model=model, device="auto")
    np.testing.assert_array_equal(decoded, decompress(data, model=model))
    for call in (
        lambda: compress(image, method="un+uq", model=model, device="cuda"),
        lambda: decompress(data, model=model, device="cuda"),
    ):
        with pytest.raises(NoDeviceError, match="no CUDA device can be used.*it is broken"):
            call()


def test_commands_say_why_there_is_no_device(
    tmp_path: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("npuq.backend.why_no_cupy", lambda: "it is broken")
    for arguments in (
        ["compress", "a.png", "a.npuq"],
        ["decompress", "a.npuq", "a.png"],
        ["eval", "a.png"],
        ["train", "photos", str(tmp_path / "run")],
    ):
        assert main([*arguments, "--device", "cuda"]) == 2
        said = capsys.readouterr().err
        assert len(said.splitlines()) == 1
        assert "--device: no CUDA device can be used, but 'cpu' can: it is broken" in said
        assert main([*arguments, "--device", "gpu"]) == 2
        assert "must be one of cpu, cuda, auto, not 'gpu'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_commands_compute_there(
    name: str, device: Any, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    save_model(tmp_path / "m.npz", tiny_model())
    write_image(tmp_path / "a.png", picture())
    shared = ["--device", name, "--model", str(tmp_path / "m.npz")]
    for arguments in (
        ["compress", str(tmp_path / "a.png"), str(tmp_path / "a.npuq"), "--method", "un+uq"],
        ["decompress", str(tmp_path / "a.npuq"), str(tmp_path / "b.png")],
        ["eval", str(tmp_path / "a.png"), "--method", "un+uq"],
    ):
        COUNT.clear()
        assert main([*arguments, *shared]) == 0, capsys.readouterr().err
        assert IS_REAL or COUNT["own"] > 0, arguments

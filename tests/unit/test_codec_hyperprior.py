"""The hyperprior model as a codec: what decides a symbol is integers, whatever the machine."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from models import picture, tiny_hyperprior

from npuq.codec import hyperprior as codec_hyperprior
from npuq.codec.codec import Symbols
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
from npuq.errors import CorruptFileError, ModelError
from npuq.models import hyperprior
from npuq.nn.parameters import named_arrays, with_arrays
from npuq.paper.channel import universal_dequantize, universal_quantize
from npuq.paper.soft_round import soft_round, soft_round_conditional_mean
from npuq.trained.integer_scales import FRACTION, indexes_of
from npuq.trained.methods import METHODS, softness_of
from npuq.trained.model import Model, hyper_of

TESTS = Path(__file__).parents[1]
IMAGE = picture(530, 150)  # three bands, odd sizes


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_hyperprior(16.0)


def crc(symbols: Symbols) -> int:
    return zlib.crc32(symbols.k.tobytes() + symbols.hyper_k.tobytes())


@pytest.mark.parametrize("method", METHODS)
def test_symbols_survive_and_files_depend_on_the_image_alone(
    method: str, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = []
    for count in (1, 2, 5):
        monkeypatch.setattr("npuq.runtime.threads.thread_count", lambda count=count: count)
        files.append(compress(IMAGE, method=method, model=model, seed=9))
        found, header, _ = read_symbols(files[-1], model)
    assert files[0] == files[1] == files[2]
    assert (header.tensors, len(unpack(files[0])[1])) == (2, 1 + 2)
    sent = quantize(IMAGE, model, method, 9)
    for ours, theirs in zip(found, sent, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert np.ptp(found.k) > 6 and np.ptp(found.hyper_k) > 3
    decoded = decompress(files[0], model=model)
    np.testing.assert_array_equal(decoded, dequantize(found, model, method))
    assert decoded.shape == IMAGE.shape


def test_symbols_that_differ_anywhere_are_others() -> None:
    symbols = quantize(IMAGE, tiny_hyperprior(), "un+uq", 5)
    assert symbols.same_as(quantize(IMAGE, tiny_hyperprior(), "un+uq", 5))
    for field, value in symbols._asdict().items():
        assert not symbols.same_as(symbols._replace(**{field: value + 1})), field


@pytest.mark.parametrize("alpha", [0.0, 16.0])
@pytest.mark.parametrize("method", METHODS)
def test_files_are_as_long_as_the_float_model_says(method: str, alpha: float) -> None:
    """Within 0.2 % and 32 bytes, though its scales are floats and ours 64 levels of integers."""
    model, image = tiny_hyperprior(alpha), picture(256, 320, 1)
    if method == "un+uq+sr" and alpha == 0:
        with pytest.raises(ModelError, match="without soft rounding"):
            compress(image, method=method, model=model)
        return
    symbols = quantize(image, model, method, 0)
    promised = promised_bits(symbols, model, method)
    payload = 8 * sum(map(len, unpack(write_symbols(symbols, model, method, 0))[1]))
    assert promised - 3 * 16 <= payload <= 1.0001 * promised + 3 * 17  # zeros at ends are left out
    assert payload == pytest.approx(estimated_bits(symbols, model, method), rel=2e-3, abs=8 * 32)


@pytest.mark.parametrize("method", METHODS)
def test_equation_24_in_float64(method: str, model: Model) -> None:
    """But for coefficients that lie as near to a bound as the float32 transforms err."""
    image = picture(128, 192, 2)
    symbols = quantize(image, model, method, 5)
    alpha, alpha_r = softness_of(model, method)
    params = with_arrays(
        model.params, {n: a.astype(np.float64) for n, a in named_arrays(model.params).items()}
    )
    x = image[None] / 255.0
    y, _ = hyperprior.stack_forward(x, params.analysis, hyperprior.ANALYSIS, params.analysis_gdn)
    v, _ = hyperprior.stack_forward(y, params.hyper_analysis, hyperprior.HYPER_ANALYSIS, None)
    u, u_hyper = (codec_hyperprior._dither(n, method) for n in (symbols.n, symbols.hyper_n))
    m = model.medians[:, None, None] / 512
    about = v[0].transpose(2, 0, 1) - m
    lower, upper = (np.array(universal_quantize(about + e, u_hyper)) for e in (-1e-3, 1e-3))
    assert np.all((lower <= symbols.hyper_k) & (symbols.hyper_k <= upper))
    w = universal_dequantize(symbols.hyper_k, u_hyper) + m
    _, mu, _ = hyperprior.hyper_synthesise(np.ascontiguousarray(w.transpose(1, 2, 0))[None], params)
    t = (y - mu)[0].transpose(2, 0, 1)
    lower, upper = (
        np.array(universal_quantize(soft_round(t + e, alpha), u)) for e in (-1e-3, 1e-3)
    )
    assert np.all((lower <= symbols.k) & (symbols.k <= upper))
    assert np.mean(lower < upper) < 0.02
    r = soft_round_conditional_mean(universal_dequantize(symbols.k, u), alpha_r)
    y_hat = np.ascontiguousarray(r.transpose(1, 2, 0))[None] + mu
    x_hat, _ = hyperprior.stack_forward(
        y_hat, params.synthesis, hyperprior.SYNTHESIS, params.synthesis_gdn, inverse=True
    )
    decoded = dequantize(symbols, model, method)
    assert np.abs(decoded - (255 * x_hat[0]).clip(0, 255)).max() < 0.51


PROGRAM = """
import sys
from models import tiny_hyperprior
from npuq.codec.files import read_symbols
from unit.test_codec_hyperprior import crc
symbols, _, _ = read_symbols(open(sys.argv[1], "rb").read(), tiny_hyperprior(16.0))
print(crc(symbols))
"""


@pytest.mark.parametrize(
    "environment",
    [
        {"OPENBLAS_NUM_THREADS": "1"},
        {"OPENBLAS_NUM_THREADS": "2"},
        {"OPENBLAS_CORETYPE": "Nehalem"},
        {"NPUQ_THREADS": "1"},
        {"NPUQ_KERNELS": "reference"},
        {"NUMBA_DISABLE_JIT": "1"},
    ],
    ids=lambda e: "=".join(*e.items()),
)
def test_a_file_decodes_to_the_same_symbols_however_one_computes(
    environment: dict[str, str], model: Model, tmp_path: Path
) -> None:
    """Threads and kernels of BLAS (another CPU's, too), plain Python: the CRC of all symbols."""
    image = picture(130, 90, 3)
    (tmp_path / "file").write_bytes(compress(image, model=model))
    python_path = os.pathsep.join(map(str, (TESTS / "support", TESTS, TESTS.parent)))
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "file")],
        env=os.environ | environment | {"PYTHONPATH": python_path},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) == crc(quantize(image, model, "un+uq+sr", 0))


def test_floats_that_come_out_otherwise_change_no_symbol(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that a decoder computes in floating point, off by 1e-6: a float design breaks."""
    data = compress(IMAGE, model=model)
    expected, _, _ = read_symbols(data, model)
    rng = np.random.default_rng(0)
    shaken = {
        name: a * (1 + np.float32(1e-6) * rng.choice([-1, 1], a.shape)).astype(np.float32)
        for name, a in named_arrays(model.params).items()
    }
    other = model._replace(params=with_arrays(model.params, shaken))
    found, _, _ = read_symbols(data, other)
    assert crc(found) == crc(expected)

    scales = hyper_of(model).scales
    w = codec_hyperprior._received(expected.hyper_k, expected.hyper_n, model, "un+uq+sr")
    w = np.tile(np.ascontiguousarray(w.transpose(1, 2, 0)), (30, 30, 1))[None]
    w = w + rng.uniform(-1, 1, w.shape).astype(np.float32)  # other images' hyper-latents
    flips = [
        indexes_of(hyperprior.hyper_synthesise(w, m.params)[0] * np.float32(2**FRACTION), scales)
        for m in (model, other)
    ]
    assert np.sum(flips[0] != flips[1]) > 0


@pytest.mark.parametrize("method", METHODS)
def test_integer_scales_choose_the_tables_of_the_float_scales(method: str, model: Model) -> None:
    """But for a scale in a hundred, next to where a table ends, and then its neighbour."""
    symbols = quantize(picture(128, 192, 2), model, method, 5)
    floats = codec_hyperprior.float_table_indexes(symbols, model, method).astype(int)
    integers = codec_hyperprior.table_indexes(symbols, model, method).astype(int)
    assert np.unique(floats).size > 2
    assert np.mean(floats != integers) < 0.01
    assert np.abs(floats - integers).max() <= 1


def test_a_file_that_does_not_fit_is_refused(model: Model) -> None:
    header, streams = unpack(compress(picture(70, 70, 4), model=model))
    for changed in (
        header._replace(alpha=3.0),
        header._replace(method=METHODS.index("un+q")),
        header._replace(tensors=1),
        header._replace(height=16 * 33),
        header._replace(rows_per_band=64),
    ):
        with pytest.raises(CorruptFileError):
            decompress(pack(changed, streams), model=model)
    with pytest.raises(CorruptFileError):
        decompress(pack(header, streams[:1]), model=model)


def test_latents_beyond_the_coder_are_refused(model: Model) -> None:
    last = model.params.analysis[-1]
    huge = last._replace(w=last.w * np.float32(1e12))
    params = model.params._replace(analysis=(*model.params.analysis[:-1], huge))
    with pytest.raises(ModelError, match="beyond"):
        compress(picture(64, 64, 6), model=model._replace(params=params))


def test_progress_is_reported_tile_by_tile(model: Model) -> None:
    told: list[tuple[int, int]] = []
    data = compress(IMAGE, model=model, progress=lambda *a: told.append(a))
    decompress(data, model=model, progress=lambda *a: told.append(a))
    assert told == [(1, 2), (2, 2)] * 2

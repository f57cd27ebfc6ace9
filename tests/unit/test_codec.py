"""The codec between model and file: three methods, bands of rows, and wrong arguments."""

from __future__ import annotations

import numpy as np
import pytest
from models import picture, tiny_factorized, tiny_hyperprior, tiny_model

from npuq.backend import Array
from npuq.codec import blocks, files, long_bands
from npuq.codec import linear as codec_linear
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
from npuq.codec.quantizer import reconstruct
from npuq.coding.dither import dither_values
from npuq.errors import CorruptFileError, InvalidFileError, InvalidImageError, ModelError
from npuq.models import linear
from npuq.models.grey import is_grey
from npuq.paper.channel import round_half_up, universal_dequantize, universal_quantize
from npuq.paper.soft_round import soft_round, soft_round_conditional_mean
from npuq.runtime import threads
from npuq.trained.methods import METHODS, softness_of
from npuq.trained.model import Model


def reconstructed(symbols: Symbols, model: Model, method: str) -> Array:
    return reconstruct(symbols.k, symbols.n, softness_of(model, method)[1])


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model(16.0)


@pytest.fixture(scope="module")
def tall() -> np.ndarray:
    """Three bands of 32 rows of blocks, the last one short."""
    return picture(530, 21, 0)


@pytest.mark.parametrize("method", METHODS)
def test_symbols_survive_and_files_depend_on_the_image_alone(
    method: str, model: Model, tall: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    coded = []
    for count in (1, 2, 5):
        monkeypatch.setattr("npuq.runtime.threads.thread_count", lambda count=count: count)
        coded.append(compress(tall, method=method, model=model, seed=9))
        found, header, _ = read_symbols(coded[-1], model)
    assert coded[0] == coded[1] == coded[2]
    assert len(unpack(coded[0])[1]) == 3
    sent = quantize(tall, model, method, 9)
    np.testing.assert_array_equal(found.k, sent.k)
    np.testing.assert_array_equal(found.n, sent.n)
    assert decompress(coded[0], model=model).shape == tall.shape
    assert threads.thread_count() >= 1


@pytest.mark.parametrize("alpha", [0.0, 3.0, 16.0])
@pytest.mark.parametrize("method", METHODS)
def test_tables_keep_the_float_models_word_for_every_method(method: str, alpha: float) -> None:
    """Also those that the model was not trained for: within 0.1 %, and 16 bytes for the file."""
    model, image = tiny_model(alpha), picture(96, 96, 1)
    if method == "un+uq+sr" and alpha == 0:
        with pytest.raises(ModelError, match="without soft rounding"):
            compress(image, method=method, model=model)
        return
    symbols = quantize(image, model, method, 0)
    promised = promised_bits(symbols, model, method)
    assert promised == pytest.approx(estimated_bits(symbols, model, method), rel=1e-3)
    payload = sum(map(len, unpack(write_symbols(symbols, model, method, 0))[1]))
    assert 8 * payload <= 1.001 * promised + 128


@pytest.mark.parametrize("kernels", ["fast", "reference"])
@pytest.mark.parametrize("alpha_r", [None, 9.0])
@pytest.mark.parametrize("method", METHODS)
def test_what_is_looked_up_is_soft_rounding(
    method: str, alpha_r: float | None, kernels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eqs. (5), (10) and (14) in float64, but for coefficients as near to a bound as 2^-16."""
    monkeypatch.setenv("NPUQ_KERNELS", kernels)
    model, image = tiny_model(5.0, alpha_r=alpha_r), picture(64, 48, 7)
    alpha, alpha_r = softness_of(model, method)
    symbols = quantize(image, model, method, 3)
    blocks = linear.images_to_blocks(image[None], np.float64)
    y = linear.analyse(blocks, model.params.analysis.astype(np.float64)).reshape(symbols.k.shape)
    u = dither_values(symbols.n, np.float64)
    lower = np.array(universal_quantize(soft_round(y - 3e-5, alpha), u))
    upper = np.array(universal_quantize(soft_round(y + 3e-5, alpha), u))
    assert np.all((lower <= symbols.k) & (symbols.k <= upper))
    assert np.mean(lower < upper) < 1e-3
    r = reconstructed(symbols, model, method)
    expected = soft_round_conditional_mean(universal_dequantize(symbols.k, u), alpha_r)
    assert r.dtype == np.float32
    np.testing.assert_allclose(r, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_strips_do_not_show(
    method: str, model: Model, tall: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image that is coded strip by strip is the image that is coded at once."""
    data = compress(tall, method=method, model=model)
    image = decompress(data, model=model)
    monkeypatch.setattr(blocks, "STRIP_BLOCKS", 32 * 3)
    assert [len(s) for s in blocks.strips_of(530, 21)] == [2, 1]
    told: list[tuple[int, int]] = []
    assert compress(tall, method=method, model=model, progress=lambda *a: told.append(a)) == (data)
    decoded = decompress(data, model=model, progress=lambda *a: told.append(a))
    np.testing.assert_array_equal(decoded, image)
    assert told == [(2, 3), (3, 3)] * 2
    symbols = read_symbols(data, model)[0]
    np.testing.assert_array_equal(dequantize(symbols, model, method), image)
    assert write_symbols(symbols, model, method, 0) == data


@pytest.mark.parametrize(
    ("method", "kernels"), [*((method, "fast") for method in METHODS), ("un+uq+sr", "reference")]
)
def test_long_bands_do_not_show(
    method: str, kernels: str, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A band that is taken tile by tile has the stream that it has as a whole."""
    monkeypatch.setenv("NPUQ_KERNELS", kernels)
    image = picture(259, 90, 8)  # two bands, the second of one row; 12 columns of blocks
    data = compress(image, method=method, model=model, seed=5)
    decoded = decompress(data, model=model)
    monkeypatch.setattr(blocks, "STRIP_BLOCKS", 32 * 12 - 1)
    monkeypatch.setattr(blocks, "TILE_BLOCKS", 1)
    monkeypatch.setattr(blocks, "WIDEST_TILE", 5)
    monkeypatch.setattr(long_bands, "AT_ONCE", 4)
    whole = blocks.tiles_of(32, 12)
    assert whole[0].size == (1, 5) and whole[2].size == (1, 2) and len(whole) == 96
    entered = []
    real = long_bands.tiles_of
    monkeypatch.setattr(long_bands, "tiles_of", lambda *a: entered.append(a) or real(*a))
    told: list[tuple[int, int]] = []
    assert data == compress(
        image, method=method, model=model, seed=5, progress=lambda *a: told.append(a)
    )
    assert told == [(1, 2), (2, 2)] and entered == [(32, 12), (1, 12)]
    # one grey level, where a product of another width ends in another last bit
    again = decompress(data, model=model).astype(int)
    assert np.abs(again - decoded).max() <= 1 and np.mean(again != decoded) < 1e-3
    assert len(entered) == 4


def test_damage_in_a_long_band_is_noticed_before_there_is_a_picture(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    header, _ = unpack(compress(picture(8, 8, 0), model=model))
    claimed = header._replace(height=1, width=blocks.STRIP_BLOCKS * 8 * 4)
    assert blocks.is_long(claimed.height, claimed.width)
    monkeypatch.setattr(codec_linear, "dequantize_tile", None)  # nobody comes that far
    with pytest.raises(CorruptFileError, match="out of range"):
        decompress(pack(claimed, [b""]), model=model)


@pytest.mark.parametrize("kind", ["linear", "hyperprior", "factorized"])
def test_headers_that_no_encoder_writes_are_refused(kind: str) -> None:
    """Checksums are right; without streams a file of 55 bytes or so claims a picture."""
    of_kind = {"linear": tiny_model, "hyperprior": tiny_hyperprior, "factorized": tiny_factorized}
    model = of_kind[kind]()
    data = compress(picture(24, 24, 4), method="un+uq", model=model)
    header, streams = unpack(data)
    for streams_left in (streams, []):
        for field, value in (
            ("rows_per_band", 1), ("rows_per_band", 31), ("rows_per_band", 65535),
            ("tensors", 3 - header.tensors), ("tensors", 255), ("alpha", 1.0), ("alpha_r", 1.0),
            ("alpha", np.inf), ("method", 0), ("method", 2), ("height", 8 * 1024),
        ):  # fmt: skip
            with pytest.raises((CorruptFileError, ModelError)):
                decompress(pack(header._replace(**{field: value}), streams_left), model=model)
    with pytest.raises(CorruptFileError, match="number of streams"):
        decompress(pack(header, []), model=model)
    with pytest.raises(CorruptFileError, match="number of streams"):
        decompress(pack(header, [*streams, b""]), model=model)


@pytest.mark.parametrize("kind", ["linear", "hyperprior", "factorized"])
def test_grey_pictures_come_back_grey(kind: str) -> None:
    """And nearer to what was sent: the mean of three errors is no larger than they are."""
    of_kind = {"linear": tiny_model, "hyperprior": tiny_hyperprior, "factorized": tiny_factorized}
    model = of_kind[kind]()
    image = np.repeat(picture(150, 70, 4)[..., :1], 3, axis=2)
    data = compress(image, method="un+uq", model=model)
    header, streams = unpack(data)
    assert header.grey
    decoded = decompress(data, model=model)
    coloured = decompress(pack(header._replace(grey=False), streams), model=model)
    assert np.ptp(decoded, axis=2).max() == 0 and np.ptp(coloured, axis=2).max() > 1
    errors = [np.mean((image - d.astype(float)) ** 2) for d in (decoded, coloured)]
    assert errors[0] < errors[1]
    symbols, _, _ = read_symbols(data, model)
    np.testing.assert_array_equal(dequantize(symbols, model, "un+uq"), decoded)
    assert write_symbols(symbols, model, "un+uq", 0) == data
    assert quantize(image, model, "un+uq", 0).grey


@pytest.mark.parametrize("place", [(0, 0), (299, 899), (150, 450)])
@pytest.mark.parametrize("channel", [0, 1, 2])
def test_one_pixel_of_colour_makes_a_picture_coloured(place: tuple[int, int], channel: int) -> None:
    image = np.full((300, 900, 3), 77, np.uint8)
    assert is_grey(image) and is_grey(image[:, ::2])
    image[(*place, channel)] += 1
    assert not is_grey(image)


def test_hard_rounding_is_the_coder_at_infinite_alpha(model: Model) -> None:
    """The dither is drawn and cancels: k = round(y), r = k, whatever the seed."""
    image = picture(40, 40, 2)
    one, other = (quantize(image, model, "un+q", seed) for seed in (1, 2))
    np.testing.assert_array_equal(one.k, other.k)
    r = reconstructed(one, model, "un+q")
    np.testing.assert_array_equal(r, one.k)
    np.testing.assert_array_equal(round_half_up(r), r)


def test_r_has_a_softness_of_its_own(model: Model) -> None:
    """Fig. 2B: s_7 with r_16 decodes by r_16, and its file says so."""
    apart = tiny_model(7.0, alpha_r=16.0)
    image = picture(40, 40, 3)
    data = compress(image, model=apart)
    symbols, header, _ = read_symbols(data, apart)
    assert (header.alpha, header.alpha_r) == (7.0, 16.0)
    sharp = np.abs(reconstructed(symbols, apart, "un+uq+sr") - symbols.k).mean()
    soft = np.abs(reconstructed(symbols, tiny_model(7.0), "un+uq+sr") - symbols.k).mean()
    assert sharp < soft


def test_a_file_with_another_softness_or_method_is_refused(model: Model) -> None:
    """Checksums made anew do not help: decoding would give garbage without a word."""
    header, streams = unpack(compress(picture(24, 24, 4), model=model))
    for changed in (
        header._replace(alpha=3.0),
        header._replace(alpha_r=3.0),
        header._replace(method=METHODS.index("un+q")),
        header._replace(tensors=2),
        header._replace(height=8 * 64),
    ):
        with pytest.raises(CorruptFileError):
            decompress(pack(changed, streams), model=model)


def test_a_few_bytes_cannot_claim_any_size(model: Model) -> None:
    header, streams = unpack(compress(picture(24, 24, 4), model=model))
    huge = header._replace(height=1 << 16, width=1 << 30)
    with pytest.raises(InvalidFileError, match="pixels"):
        decompress(pack(huge, streams), model=model)


def test_thin_pictures_count_as_padded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row of pixels is 64 rows to the hyperprior model."""
    monkeypatch.setattr(files, "PADDED_MAX", 64 * 640)
    hyper = tiny_hyperprior(0.0)
    compress(picture(1, 640, 0), method="un+q", model=hyper)
    with pytest.raises(InvalidImageError, match="sides in whole 64s"):
        compress(picture(1, 641, 0), method="un+q", model=hyper)
    header, streams = unpack(compress(picture(1, 640, 0), method="un+q", model=hyper))
    with pytest.raises(InvalidFileError, match="sides in whole 64s"):
        decompress(pack(header._replace(width=641), streams), model=hyper)


def test_wrong_arguments_are_named(model: Model) -> None:
    image = picture(16, 16, 5)
    with pytest.raises(InvalidImageError):
        compress(image.astype(float), model=model)
    with pytest.raises(InvalidImageError):
        compress(image[..., 0], model=model)
    with pytest.raises(ModelError, match="method"):
        compress(image, model=model, method="jpeg")
    with pytest.raises(TypeError):
        compress(image, model=model, seed=1.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="seed"):
        compress(image, model=model, seed=-1)
    with pytest.raises(TypeError, match="load_model"):
        compress(image, model=b"model.npz")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="must be one of linear, hyperprior"):
        compress(image, model="model.npz")
    with pytest.raises(TypeError):
        decompress("text", model=model)  # type: ignore[arg-type]
    data = compress(image, model=model, seed=np.int32(3))  # type: ignore[arg-type]
    assert decompress(memoryview(data), model=model).shape == image.shape  # type: ignore[arg-type]


def test_coefficients_beyond_the_coder_are_refused(model: Model) -> None:
    params = model.params._replace(analysis=model.params.analysis * np.float32(1e12))
    with pytest.raises(ModelError, match="beyond"):
        compress(picture(16, 16, 6), model=model._replace(params=params))

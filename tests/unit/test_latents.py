"""Arrays to bytes and back: round trips, the law of the error, the rate, and what is refused."""

from __future__ import annotations

import contextlib
import doctest
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.special
import scipy.stats

import npuq
from npuq.backend import Array
from npuq.coding.arithmetic import one_table
from npuq.coding.dither import dither_integers
from npuq.coding.tables import table_bits
from npuq.errors import (
    CorruptFileError,
    InvalidArrayError,
    InvalidFileError,
    ModelError,
    NotNpuqFileError,
    TablesError,
    TruncatedFileError,
    UnsupportedVersionError,
    WrongTablesError,
)
from npuq.latents import layout, tables_archive, tables_file
from npuq.latents.container import FIXED, pack, unpack
from npuq.latents.quantization import phases_of
from npuq.latents.scales import level_indexes
from npuq.latents.tables import Tables
from npuq.nn import logistic
from npuq.trained.integer_scales import scale_levels
from npuq.trained.model_file import load_model
from npuq.trained.phases import plain_phases

NORMAL = npuq.make_tables(scipy.stats.norm(scale=2.0), step=0.5, alpha=4.0)
LEVELS = npuq.make_scale_tables(step=0.5, alpha=4.0)
METHODS = ("un+q", "un+uq", "un+uq+sr")
SEED_OF_SIX = 3426865752321042865
SHAPES = [(), (0,), (7,), (1, 5), (3, 0, 2), (4, 3, 5), (2, 3, 4, 5)]


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


# --- round trips --------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_any_shape_and_type_comes_back_within_half_a_step(
    shape: tuple[int, ...], dtype: Any, method: str
) -> None:
    y = rng().normal(0, 2, shape).astype(dtype)
    data = npuq.encode_array(y, NORMAL, method=method, seed=5)
    decoded, end = npuq.decode_array(data, NORMAL)
    assert (decoded.shape, decoded.dtype, end) == (shape, dtype, len(data))
    slack = 8 * float(np.finfo(dtype).eps)  # values are below 8 + 1/4, rounded to their type
    # soft rounding's r is the mean of where y can be, so the error reaches beyond half a step
    assert np.all(abs(decoded.astype(float) - y) <= (0.5 if "sr" in method else 0.25) + slack)


@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1])
def test_channels_along_any_axis_have_their_own_tables(axis: int) -> None:
    """And the dither of their address: the value decoded says which dither it was."""
    scales = np.array([0.5, 30.0, 4.0])
    tables = npuq.make_tables([scipy.stats.laplace(scale=s) for s in scales])
    grid = scales[:, None, None] * rng().laplace(size=(3, 4 * 5, 6))
    y = np.moveaxis(grid.reshape(3, 4, 5, 6), 0, axis)
    data = npuq.encode_array(y, tables, axis=axis, seed=9, tensor=2)
    decoded, _ = npuq.decode_array(data, tables)
    u = (2.0 * dither_integers(grid.shape, seed=9, tensor=2) - 255) / 512
    expected = np.floor(grid - u + 0.5) + u
    np.testing.assert_array_equal(decoded, np.moveaxis(expected.reshape(3, 4, 5, 6), 0, axis))
    bits = -np.log2(np.diff([scipy.stats.laplace(scale=scales[:, None, None]).cdf(expected + d)
                             for d in (-0.5, 0.5)], axis=0)).sum()  # fmt: skip
    assert 8 * (len(data) - FIXED.size - 12 - 32) == pytest.approx(bits, rel=0.01)


def test_parameters_of_shape_c_1_are_those_of_channels() -> None:
    scale = np.array([[0.5], [30.0], [4.0]])
    as_list = npuq.make_tables([scipy.stats.logistic(scale=s) for s in scale[:, 0]], step=0.5)
    for density, params in (
        (scipy.stats.logistic(scale=scale), None),
        (logistic, logistic.Params(np.zeros((3, 1)), scale)),
    ):
        tables = npuq.make_tables(density, params, step=0.5, channels=3)
        np.testing.assert_array_equal(tables.integers.first, as_list.integers.first)
        # one unit: expit and SciPy's cdf may differ in the last digit
        assert abs(tables.integers.values - as_list.integers.values).max() <= 1


@pytest.mark.parametrize("method", METHODS)
def test_each_coefficient_has_its_scale_and_mean(method: str) -> None:
    scales = rng().integers(1 << 12, 1 << 24, (3, 4, 50))
    means = rng().normal(0, 100, (4, 1))
    y = means + 0.5 * scales / 65536 * rng().normal(size=scales.shape)
    data = npuq.encode_array(y, LEVELS, scales=scales, means=means, method=method)
    decoded, end = npuq.decode_array(data, LEVELS, scales=scales, means=means)
    assert end == len(data)
    assert abs(decoded - y).max() <= (0.5 if "sr" in method else 0.25) + 1e-9
    assert len(data) < 1.5 * 600  # that of the means alone, coded by the scales, would be longer


def test_levels_are_chosen_by_ratio_and_by_integers_as_by_the_floats_that_they_are() -> None:
    """At a threshold, the upper one; floats of the same array give the same bytes."""
    assert LEVELS.thresholds is not None
    edges = np.concatenate([LEVELS.thresholds - 1, LEVELS.thresholds, [0, 1, 1 << 40]])
    y = rng().normal(size=edges.shape)
    integers = npuq.encode_array(y, LEVELS, scales=edges)
    floats = edges * 2.0**-16 * 0.5
    shared = npuq.encode_array(y, LEVELS, scales=floats, scales_are_shared=True)
    assert integers == shared
    levels = scale_levels(160)
    found = np.searchsorted(LEVELS.thresholds, np.rint(levels * 65536), side="right")
    np.testing.assert_array_equal(found, np.arange(160))


def test_several_arrays_follow_one_another() -> None:
    arrays = [rng().normal(size=(n, 3)) for n in (5, 0, 8)]
    data = b"".join(npuq.encode_array(y, NORMAL, tensor=i) for i, y in enumerate(arrays))
    end = 0
    for y in arrays:
        decoded, end = npuq.decode_array(data + b"and more", NORMAL, start=end)
        assert decoded.shape == y.shape and np.all(abs(decoded - y) < 0.5)
    assert end == len(data)


def test_tables_inside_of_the_stream_are_enough() -> None:
    y = rng().normal(size=20)
    for tables, options in ((NORMAL, {}), (LEVELS, {"scales": np.full(20, 1 << 16)})):
        data = npuq.encode_array(y, tables, embed=True, **options)
        decoded, end = npuq.decode_array(data, **options)
        assert end == len(data)
        without = npuq.encode_array(y, tables, **options)
        np.testing.assert_array_equal(decoded, npuq.decode_array(without, tables, **options).array)


@pytest.mark.parametrize("with_scales", [False, True])
@pytest.mark.parametrize("shape", [(3, 11, 5), (3, 2, 40), (3, 1), (3, 130)])
def test_blocks_are_rectangles_and_change_no_value(
    shape: tuple[int, ...], with_scales: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of whole rows, or of parts of one; each has the dither of its place."""
    tables = LEVELS if with_scales else npuq.make_tables(scipy.stats.norm(), channels=1)
    y = rng().normal(size=shape)
    options = {"scales": rng().integers(1, 1 << 20, shape)} if with_scales else {}
    whole = npuq.decode_array(npuq.encode_array(y, tables, **options), tables, **options).array
    monkeypatch.setattr(layout, "BLOCK", 16)
    data = npuq.encode_array(y, tables, **options)
    grid = layout.grid_of(shape, None)
    assert len(unpack(data).blocks) == len(layout.blocks_of(grid)) == layout.block_count(grid)
    view = layout.by_channel(y, None)
    assert all(view[layout.place_of(b, view)].size <= 16 for b in layout.blocks_of(grid))
    np.testing.assert_array_equal(npuq.decode_array(data, tables, **options).array, whole)


@pytest.mark.parametrize("options", [{}, {"NPUQ_KERNELS": "reference"}, {"NPUQ_THREADS": "1"}])
def test_plain_code_and_threads_write_the_same(
    options: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "BLOCK", 100)
    y = np.concatenate([rng().normal(0, 2, 700), np.arange(-9, 9) / 4, [2.0**29, -(2.0**29)]])
    before = [npuq.encode_array(y, NORMAL, method=method) for method in METHODS]
    for name, value in options.items():
        monkeypatch.setenv(name, value)
    for data, method in zip(before, METHODS, strict=True):
        assert npuq.encode_array(y, NORMAL, method=method) == data
        assert abs(npuq.decode_array(data, NORMAL).array - y).max() < 0.5


def test_the_largest_numbers_come_back() -> None:
    """2^31 - 1 steps, but for the last digit; and a float16 does not become infinite."""
    far = np.array([2.0**31 - 1.5, -(2.0**31) + 1.5]) * 0.5
    for method in METHODS:
        decoded, _ = npuq.decode_array(npuq.encode_array(far, NORMAL, method=method), NORMAL)
        assert abs(decoded - far).max() < 0.5
    wide = npuq.make_tables(scipy.stats.norm(scale=1000), step=500.0)
    y = np.full(300, 65504, np.float16)
    decoded, _ = npuq.decode_array(npuq.encode_array(y, wide, method="un+uq"), wide)
    assert np.all(np.isfinite(decoded)) and decoded.min() < 65504
    largest = float(np.finfo(np.float64).max)  # without a word on overflow, in any block
    wide = npuq.make_tables(scipy.stats.uniform(-largest / 2, largest), step=largest / 8)
    y = np.full((1 << 20) + 300, largest)
    decoded, _ = npuq.decode_array(npuq.encode_array(y, wide, method="un+uq"), wide)
    assert decoded.max() == largest and decoded.min() >= largest * (1 - 1 / 16)


# --- laws ---------------------------------------------------------------------------------------


def errors_in_steps(y: Array, tables: Tables, seed: int) -> Array:
    decoded, _ = npuq.decode_array(npuq.encode_array(y, tables, method="un+uq", seed=seed), tables)
    return (decoded.astype(np.float64) - y) / tables.step


@pytest.mark.parametrize(
    ("dtype", "magnitude"),
    [
        (np.float32, 0.3),
        (np.float32, 2.0**15 - 1.3),
        (np.float64, 2.0**31 - 2.3),
        (np.float16, 3.3),
    ],
)
def test_the_error_is_uniform_whatever_the_coefficient(dtype: Any, magnitude: float) -> None:
    """Seeded; Eq. 6 up to the magnitudes that `encode_array` names. Each y by itself: all equal."""
    size = 40_000
    for seed, y in enumerate((magnitude, -magnitude, 0.0, 0.25)):
        values = np.full(size, y * NORMAL.step, dtype)
        e = errors_in_steps(values, NORMAL, seed)
        # half a step, and what rounding to the type adds to that
        rounding = {np.float16: 2.0**-11 * 4, np.float32: 2.0**-24 * 2**15, np.float64: 2.0**-22}
        assert abs(e).max() <= 0.5 + rounding[dtype] <= 0.5 + 1 / 512
        assert distance_from_uniform(e) < AT_MOST


def distance_from_uniform(e: Array) -> float:
    return float(scipy.stats.kstest(e, scipy.stats.uniform(-0.5, 1).cdf).statistic)


AT_MOST = 1 / 128 + 1.95 / np.sqrt(40_000)
"""A grid of 1/256 moves with y, by half of it at most, and rounding adds as much again: the
statistic of the continuous law is 1/128 off at most; beyond 1.95/sqrt(n), once in 1000 samples."""


@pytest.mark.parametrize(
    ("dtype", "magnitude"), [(np.float32, 2.0**18 + 1.3), (np.float16, 2.0**5 + 1.3)]
)
def test_far_beyond_these_magnitudes_it_is_not(dtype: Any, magnitude: float) -> None:
    """At eight times as much the type holds 32 errors, not 256."""
    e = errors_in_steps(np.full(40_000, magnitude * NORMAL.step, dtype), NORMAL, 3)
    assert len(np.unique(e)) <= 33 and distance_from_uniform(e) > AT_MOST


def test_the_error_does_not_depend_on_the_coefficient() -> None:
    """Seeded. Neither do its moments: 1/12, and no correlation with y, |y| or neighbours."""
    y = rng().laplace(0, 1.5, 200_000)
    e = errors_in_steps(y, NORMAL, 1)
    assert e.var() == pytest.approx(1 / 12, rel=0.01)  # four standard errors
    for other in (y, abs(y), y - np.rint(2 * y) / 2, np.roll(e, 1), np.roll(e, 16)):
        assert abs(np.corrcoef(e, other)[0, 1]) < 5 / np.sqrt(y.size)


@pytest.mark.parametrize("method", METHODS)
def test_streams_are_as_long_as_the_tables_say(method: str) -> None:
    """To 0.01 %, and 3 bytes for each of two blocks; channels of unequal width."""
    scale = np.array([0.3, 2.0, 40.0])
    tables = npuq.make_tables([scipy.stats.norm(scale=s) for s in scale], alpha=3.0)
    y = (scale[:, None] * rng().normal(size=(3, 500_000))).astype(np.float32)
    data = npuq.encode_array(y, tables, method=method)
    parts = unpack(data)
    assert len(parts.blocks) == 2
    decoded, _ = npuq.decode_array(data, tables)
    n = dither_integers((3, 1, 500_000), seed=0)[:, 0]
    u = 0.0 if method == "un+q" else (2.0 * n - 255) / 512
    if method == "un+uq+sr":
        u = npuq.soft_round_conditional_mean(u, 3.0)
    k = np.rint(decoded - u).astype(np.int64)
    promised = table_bits(k, phases_of(tables, method)[n].astype(np.int64), tables.integers).sum()
    found = 8 * sum(map(len, parts.blocks))
    assert abs(found - promised) < 1e-4 * promised + 2 * 24
    assert len(data) == found // 8 + FIXED.size + 2 * 8 + 2 * 4 + 2 * 4


def test_rate_is_the_information_of_the_density() -> None:
    """H[K | U] = h[Y + U] (Eq. 7), to the 0.05 % of the tables and the spread of one sample."""
    y = rng().normal(0, 2, 200_000)
    data = npuq.encode_array(y, NORMAL, method="un+uq", seed=3)
    decoded, _ = npuq.decode_array(data, NORMAL)
    p = scipy.stats.norm(scale=2).cdf(decoded + 0.25) - scipy.stats.norm(scale=2).cdf(
        decoded - 0.25
    )
    assert 8 * len(data) == pytest.approx(-np.log2(p).sum(), rel=0.0015)


def test_no_scale_costs_more_than_a_two_thousandth() -> None:
    """By the tables, without a sample: at thresholds, farthest from the levels on either side."""
    assert LEVELS.thresholds is not None
    for i in (0, 11, 30, 58, 77, 110, 158):
        sigma = LEVELS.thresholds[i] / 65536
        far = int(10 * sigma) + 2
        k, phase = np.arange(-far, far + 1), plain_phases()[8::16].astype(np.int64)
        v = phase[:, None] / 65536
        p = np.diff(scipy.stats.norm(scale=sigma).cdf([k - 1 + v, k + v]), axis=0)[0]
        symbols, phases = np.broadcast_arrays(k, phase[:, None])
        information = scipy.special.entr(p).sum() / np.log(2)
        for level in (i, i + 1):
            bits = table_bits(symbols[None], phases[None], one_table(LEVELS.integers, level))
            assert information < (p * bits[0]).sum() < 1.0005 * information


def test_a_million_coefficients_with_scales_take_their_information() -> None:
    """To 0.05 %, the header included (Eq. 23), and the payload what the tables say, to 0.01 %."""
    size, tables = 1_000_000, npuq.make_scale_tables()
    scales = np.rint(65536 * rng().lognormal(size=size).clip(0.11, 256)).astype(np.int64)
    sigma = scales / 65536
    y = rng().normal(0, sigma)
    data = npuq.encode_array(y, tables, scales=scales, seed=3)
    decoded, _ = npuq.decode_array(data, tables, scales=scales)
    left, right = ((d - abs(decoded)) / sigma for d in (-0.5, 0.5))
    p = scipy.special.ndtr(right) - scipy.special.ndtr(left)
    # of this sample: chance is in what other levels than the scales cost, 50 bits or so
    assert 8 * len(data) == pytest.approx(-np.log2(p).sum(), rel=5e-4)
    (indexes,) = level_indexes(scales, tables, layout.blocks_of((1, 1, size)))
    n = dither_integers((1, 1, size), seed=3)[0, 0]
    k = np.rint(decoded - (2.0 * n - 255) / 512).astype(np.int64)
    phase = plain_phases()[n].astype(np.int64)
    promised = 0.0
    for level in range(160):
        here = (indexes[0, 0] == level)[None]
        one = one_table(tables.integers, level)
        promised += table_bits(k[None][here][None], phase[None][here][None], one).sum()
    assert 8 * len(unpack(data).blocks[0]) == pytest.approx(promised, rel=1e-4)


def test_the_seed_of_the_content() -> None:
    """Known answers; in the other byte order, and in another layout of memory, the same."""
    y = np.arange(6, dtype=np.float32).reshape(2, 3) / 4
    assert npuq.content_seed(y) == SEED_OF_SIX
    assert npuq.content_seed(y.astype(">f4")) == SEED_OF_SIX
    assert npuq.content_seed(np.asfortranarray(y)) == SEED_OF_SIX
    assert npuq.content_seed(y + np.float32(2**-20)) != SEED_OF_SIX
    assert unpack(npuq.encode_array(y, NORMAL, seed="content")).header.seed == SEED_OF_SIX
    assert unpack(npuq.encode_array(y, NORMAL)).header.seed == 0


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "options", "error", "says"),
    [
        (np.arange(3), {}, InvalidArrayError, "int64"),
        (np.array([1.0, np.nan]), {}, InvalidArrayError, "finite"),
        (np.array([np.inf]), {}, InvalidArrayError, "finite"),
        (np.array([-(2.0**31)]), {}, InvalidArrayError, "2\\*\\*31"),
        (np.array([1e308]), {}, InvalidArrayError, "2\\*\\*31"),
        (np.zeros(3), {"means": np.zeros(4)}, InvalidArrayError, "means"),
        (np.zeros(3), {"means": np.nan}, InvalidArrayError, "means"),
        (np.zeros(3), {"scales": np.ones(3)}, InvalidArrayError, "make_scale_tables"),
        (np.zeros(3), {"method": "q"}, ModelError, "un\\+q"),
        (np.zeros(3), {"seed": -1}, ValueError, "seed"),
        (np.zeros(3), {"seed": "mine"}, ValueError, "content"),
        (np.zeros(3), {"tensor": 1 << 32}, ValueError, "tensor"),
    ],
)
def test_what_cannot_be_coded_is_refused(
    y: Array, options: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        npuq.encode_array(y, NORMAL, **options)


@pytest.mark.parametrize(
    ("scales", "says"),
    [
        (None, "give the scale"),
        (np.ones(3), "round\\(2\\*\\*16"),
        (np.ones(2, int), "do not fit"),
        (np.ones(3, bool), "bool"),
        (np.array([7000, -1, 9]), "must not be negative, but -1 is"),
        (np.array([2, -128, 9], np.int8), "must not be negative, but -128 is"),
    ],
)
def test_scales_that_could_differ_are_refused(scales: Any, says: str) -> None:
    y = np.zeros(3)
    data = npuq.encode_array(y, LEVELS, scales=np.ones(3, int))
    with pytest.raises(InvalidArrayError, match=says):
        npuq.encode_array(y, LEVELS, scales=scales)
    with pytest.raises(InvalidArrayError, match=says):
        npuq.decode_array(data, LEVELS, scales=scales)


def test_nan_is_no_scale() -> None:
    with pytest.raises(InvalidArrayError, match="NaN"):
        npuq.encode_array(np.zeros(1), LEVELS, scales=np.array([np.nan]), scales_are_shared=True)


@pytest.mark.parametrize("scale", [-1e-300, -0.5, -np.inf])
def test_floats_below_zero_are_no_scales(scale: float) -> None:
    """They would pass for the smallest; zero is below the smallest, and has its table."""
    y, scales = np.zeros((2, 3)), np.array([1.0, scale, 0.0])
    with pytest.raises(InvalidArrayError, match="scales must not be negative"):
        npuq.encode_array(y, LEVELS, scales=scales, scales_are_shared=True)
    data = npuq.encode_array(y, LEVELS, scales=abs(scales), scales_are_shared=True)
    with pytest.raises(InvalidArrayError, match="scales must not be negative"):
        npuq.decode_array(data, LEVELS, scales=scales, scales_are_shared=True)
    assert npuq.decode_array(data, LEVELS, scales=abs(scales), scales_are_shared=True).end


def test_the_largest_scale_of_floats_is_one_of_the_largest_table() -> None:
    tables, scales = npuq.make_scale_tables(step=1e-5, levels=2), np.array([1e308, 1.0])
    data = npuq.encode_array(np.zeros(2), tables, scales=scales, scales_are_shared=True)
    ours = npuq.encode_array(np.zeros(2), tables, scales=np.full(2, 1 << 40))
    assert data == ours


@pytest.mark.parametrize("axes", [32, 33, 64])
def test_more_axes_than_a_header_may_have_are_not_written(axes: int) -> None:
    y, lattice = np.zeros((1,) * axes), npuq.make_lattice_tables(scipy.stats.norm(), lattice="A2")
    if axes > 32:
        for encode in (
            lambda: npuq.encode_array(y, NORMAL),
            lambda: npuq.encode_vectors(y, lattice),
        ):
            with pytest.raises(InvalidArrayError, match="more than 32 axes"):
                encode()
        return
    assert npuq.decode_array(npuq.encode_array(y, NORMAL), NORMAL).array.shape == y.shape
    assert npuq.decode_vectors(npuq.encode_vectors(y, lattice), lattice).array.shape == y.shape


def test_other_scales_and_other_tables_are_noticed() -> None:
    assert LEVELS.thresholds is not None
    scales = np.full(40, LEVELS.thresholds[20])
    data = npuq.encode_array(np.zeros(40), LEVELS, scales=scales)
    scales[33] -= 1  # over the threshold
    with pytest.raises(WrongTablesError, match="scales"):
        npuq.decode_array(data, LEVELS, scales=scales)
    data = npuq.encode_array(np.zeros(40), NORMAL)
    with pytest.raises(WrongTablesError, match=NORMAL.hash.hex()):
        npuq.decode_array(data, LEVELS, scales=scales)
    with pytest.raises(WrongTablesError, match="not in it"):
        npuq.decode_array(data)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: npuq.make_tables(scipy.stats.norm(), step=0.0), "step"),
        (lambda: npuq.make_tables(scipy.stats.norm(), step=np.nan), "step"),
        (lambda: npuq.make_tables(scipy.stats.norm(), alpha=-1.0), "alpha"),
        (lambda: npuq.make_tables(scipy.stats.norm(), step=1e-4), "wider step"),
        (lambda: npuq.make_tables(scipy.stats.norm(loc=1e6)), "subtract the means"),
        (lambda: npuq.make_tables("normal"), "cdf"),
        (lambda: npuq.make_tables([]), "channel"),
        (lambda: npuq.make_tables(scipy.stats.norm(scale=np.ones((3, 1))), channels=2), "density"),
        (lambda: npuq.make_scale_tables(levels=257), "levels"),
    ],
)
def test_tables_that_cannot_be_are_refused(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(TablesError, match=says):
        make()


def test_tables_without_softness_do_not_soft_round() -> None:
    tables = npuq.make_tables(scipy.stats.norm())
    with pytest.raises(TablesError, match="soft rounding"):
        npuq.encode_array(np.zeros(2), tables, method="un+uq+sr")


# --- hostile streams ----------------------------------------------------------------------------

Y = np.arange(6.0).reshape(2, 3)
DATA = npuq.encode_array(Y, NORMAL)
HEAD = FIXED.size + 16 + 4


def resealed(position: int, value: int, width: int = 1) -> bytes:
    """The stream with a field of its header changed, and the header's checksum made to match."""
    head = bytearray(DATA[:HEAD])
    head[position : position + width] = value.to_bytes(width, "little")
    return bytes(head) + struct.pack("<I", zlib.crc32(head)) + DATA[HEAD + 4 :]


def test_every_change_and_every_truncation_is_noticed() -> None:
    for i in range(len(DATA)):
        for change in (1, 0x80, 0xFF):
            with pytest.raises(InvalidFileError):
                npuq.decode_array(DATA[:i] + bytes([DATA[i] ^ change]) + DATA[i + 1 :], NORMAL)
        with pytest.raises(TruncatedFileError):
            npuq.decode_array(DATA[:i], NORMAL)


def test_others_files_are_told_apart() -> None:
    with pytest.raises(NotNpuqFileError):
        npuq.decode_array(b"NPUQ" + DATA[4:], NORMAL)
    with pytest.raises(UnsupportedVersionError, match="version 2"):
        npuq.decode_array(b"NPUA\x02", NORMAL)


@pytest.mark.parametrize(
    ("position", "value", "width"),
    [(4, 0, 1), (5, 3, 1), (6, 2, 1), (7, 3, 1), (8, 2, 1), (10, 2, 1), (11, 1, 1), (32, 1, 4)],
    ids=["version", "method", "dither", "type", "axis", "flags", "zero", "scales"],
)
def test_impossible_fields_are_noticed_though_the_checksum_matches(
    position: int, value: int, width: int
) -> None:
    with pytest.raises(CorruptFileError, match="impossible"):
        npuq.decode_array(resealed(position, value, width), NORMAL)


def test_headers_that_claim_much_take_no_memory() -> None:
    """More blocks than there are bytes, a shape that no memory holds, or one of a few zeros."""
    for position, value, width in ((40, 0xFFFFFFFF, 4), (44, 1 << 60, 8), (44, 1 << 30, 8)):
        with pytest.raises(InvalidFileError):
            npuq.decode_array(resealed(position, value, width), NORMAL)
    with pytest.raises(InvalidArrayError, match="largest"):
        npuq.decode_array(DATA, NORMAL, largest=5)
    assert npuq.decode_array(DATA, NORMAL, largest=6).array.shape == (2, 3)


def test_empty_arrays_whose_other_axes_are_endless_are_refused_or_made() -> None:
    header = unpack(npuq.encode_array(np.zeros((0, 3)), NORMAL)).header
    largest = pack(header._replace(shape=(0, 1 << 59)), b"", [])
    assert npuq.decode_array(largest, NORMAL).array.shape == (0, 1 << 59)
    for shape in ((0, (1 << 59) + 1), (1 << 40, 0, 1 << 20)):
        with pytest.raises(CorruptFileError, match="shape"):
            npuq.decode_array(pack(header._replace(shape=shape), b"", []), NORMAL)


def test_an_axis_that_does_not_fit_the_tables_is_noticed() -> None:
    for position, value in ((8, 0), (10, 1)):  # channels along the first axis; scales
        with pytest.raises(WrongTablesError, match="header"):
            npuq.decode_array(resealed(position, value), NORMAL)


# --- files of tables ----------------------------------------------------------------------------


@pytest.mark.parametrize("tables", [NORMAL, LEVELS], ids=["channels", "levels"])
def test_tables_survive_their_file(tables: Tables, tmp_path: Path) -> None:
    npuq.save_tables(tmp_path / "t.npz", tables)
    again = npuq.load_tables(tmp_path / "t.npz")
    assert again[2:4] == tables[2:4] and again[5:] == tables[5:]
    for ours, theirs in zip((*again.integers, again.phases), (*tables.integers, tables.phases),
                            strict=True):  # fmt: skip
        np.testing.assert_array_equal(ours, theirs)
    assert (again.thresholds is None) == (tables.thresholds is None)


def test_the_hash_covers_what_decoding_depends_on() -> None:
    normal = scipy.stats.norm(scale=2.0)
    assert npuq.make_tables(normal, step=0.5, alpha=4.0, name="other").hash == NORMAL.hash
    others = [
        npuq.make_tables(normal, step=0.5, alpha=5.0),
        npuq.make_tables(scipy.stats.norm(scale=2 * 1.0001), step=0.5 * 1.0001, alpha=4.0),
        npuq.make_tables(scipy.stats.norm(scale=2.001), step=0.5, alpha=4.0),
    ]
    assert len({tables.hash for tables in [NORMAL, *others]}) == 4


def test_damaged_tables_are_refused(tmp_path: Path) -> None:
    data = tables_file.tables_to_bytes(NORMAL)
    for i in range(0, len(data), 7):
        changed = data[:i] + bytes([data[i] ^ 0x55]) + data[i + 1 :]
        # fields of a ZIP archive that nobody reads change nothing
        with contextlib.suppress(TablesError):
            assert tables_file.tables_from_bytes(changed).hash == NORMAL.hash
    with pytest.raises(TablesError, match="no such file"):
        npuq.load_tables(tmp_path / "none.npz")
    with pytest.raises(TablesError, match="linear model"):
        npuq.load_tables(Path(npuq.__file__).parent / "weights" / "linear-un-1.npz")
    npuq.save_tables(tmp_path / "t.npz", NORMAL)
    with pytest.raises(ModelError):
        load_model(tmp_path / "t.npz")
    lied = tables_file.tables_to_bytes(NORMAL._replace(step=0.25))
    with pytest.raises(TablesError, match="hash"):
        tables_file.tables_from_bytes(lied)


def test_more_tables_than_a_file_holds_are_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    size = NORMAL.integers.values.size
    monkeypatch.setattr(tables_archive, "MOST_VALUES", size)
    data = tables_file.tables_to_bytes(NORMAL)
    assert tables_file.tables_from_bytes(data).hash == NORMAL.hash
    monkeypatch.setattr(tables_archive, "MOST_VALUES", size - 1)
    with pytest.raises(TablesError, match=f"not {size}"):
        tables_file.tables_to_bytes(NORMAL)
    with pytest.raises(TablesError, match="damaged"):
        tables_file.tables_from_bytes(data)


def test_the_example_runs() -> None:
    names = {name: getattr(npuq, name) for name in npuq._MODULE_OF} | {"np": np}
    (example,) = doctest.DocTestFinder().find(
        npuq.make_tables, "make_tables", globs=names, module=False
    )
    said: list[str] = []
    assert doctest.DocTestRunner(verbose=False).run(example, out=said.append).failed == 0, said

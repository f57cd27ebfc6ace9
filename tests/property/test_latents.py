"""Arrays of any shape, type, density and seed come back, from one block or from many; enemies."""

from __future__ import annotations

import math
import os
from typing import Any
from unittest import mock

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from strategies import each, seeds

import npuq
from npuq.errors import InvalidFileError, NpuqError, TablesError, TruncatedFileError
from npuq.latents import layout
from npuq.latents.container import pack, unpack
from npuq.latents.tables_file import tables_to_bytes
from npuq.nn import logistic

STEP, ALPHA = 0.25, 6.0
ONE = {
    "normal": npuq.make_tables(scipy.stats.norm(scale=1.5), step=STEP, alpha=ALPHA),
    "far": npuq.make_tables(scipy.stats.uniform(100, 1), step=STEP, alpha=ALPHA),
    "logistic": npuq.make_tables(
        logistic, logistic.Params(np.array(0.5), np.array(1e-3)), step=STEP, alpha=ALPHA
    ),
}
THREE = npuq.make_tables(
    [scipy.stats.norm(), scipy.stats.cauchy(), scipy.stats.laplace(1)], step=STEP, alpha=ALPHA
)
LEVELS = npuq.make_scale_tables(step=STEP, alpha=ALPHA, levels=7)

shapes = st.lists(st.integers(0, 5), max_size=4).map(tuple)
types = st.sampled_from([np.float16, np.float32, np.float64])
methods = st.sampled_from(["un+q", "un+uq", "un+uq+sr"])
blocks = st.sampled_from([1, 2, 7, 1 << 20])


def arranged(y: Any, layout_of_memory: str) -> Any:
    """The same numbers, lying otherwise in memory, or in the other order of bytes."""
    if layout_of_memory == "swapped":
        return y.astype(y.dtype.newbyteorder())
    if layout_of_memory == "fortran":
        return np.array(y, order="F")
    if layout_of_memory == "read-only":
        y = np.array(y)
        y.flags.writeable = False
        return y
    wide = np.full(tuple(2 * n + 1 for n in y.shape), np.nan, y.dtype)
    view = wide[(..., *(slice(2 * n - 1, None, -2) if n else slice(0, 0) for n in y.shape))]
    view[...] = y
    return view


def check_round_trip(y: Any, tables: Any, method: str, block: int, **options: Any) -> None:
    sides = {name: options[name] for name in ("scales", "means") if name in options}
    with mock.patch.object(layout, "BLOCK", block):
        data = npuq.encode_array(y, tables, method=method, **options)
        for other in ("swapped", "fortran", "read-only", "backwards"):
            same = arranged(y, other)
            np.testing.assert_array_equal(same, y)
            assert npuq.encode_array(same, tables, method=method, **options) == data
        decoded, end = npuq.decode_array(b"?" + data + b"!", tables, start=1, **sides)
    assert (decoded.shape, decoded.dtype, end) == (y.shape, y.dtype, len(data) + 1)
    whole = npuq.decode_array(npuq.encode_array(y, tables, method=method, **options), tables,
                              **sides)  # fmt: skip
    np.testing.assert_array_equal(decoded, whole.array)
    # r is at most half a step from k + u, and that half a step from s(y), next to which y is;
    # then rounding to the type of y
    bound = STEP * (1 if method == "un+uq+sr" else 0.5)
    slack = np.finfo(y.dtype).eps * (abs(y.astype(float)) + 1)
    assert np.all(abs(decoded.astype(float) - y) <= bound + slack)


@given(shapes, types, st.sampled_from(sorted(ONE)), methods, seeds(), blocks)
def test_one_density(
    shape: tuple[int, ...], dtype: Any, name: str, method: str, seed: int, block: int
) -> None:
    y = np.random.default_rng(seed).standard_cauchy(shape).clip(-1e3, 1e3).astype(dtype)
    check_round_trip(y, ONE[name], method, block, seed=seed)


@given(shapes, st.integers(0, 4), types, methods, seeds(), blocks)
def test_a_density_for_each_channel(
    shape: tuple[int, ...], axis: int, dtype: Any, method: str, seed: int, block: int
) -> None:
    axis = min(axis, len(shape))
    shape = (*shape[:axis], 3, *shape[axis:])
    y = np.random.default_rng(seed).standard_cauchy(shape).clip(-1e3, 1e3).astype(dtype)
    check_round_trip(y, THREE, method, block, axis=axis, seed=seed, tensor=seed % 5)


@given(shapes, types, methods, seeds(), blocks)
def test_a_scale_and_a_mean_for_each_coefficient(
    shape: tuple[int, ...], dtype: Any, method: str, seed: int, block: int
) -> None:
    rng = np.random.default_rng(seed)
    scales = np.exp2(rng.uniform(0, 30, shape)).astype(np.int64)
    means = rng.normal(0, 10, shape[-1:])
    y = np.asarray(means + STEP * scales / 65536 * rng.normal(size=shape)).clip(-1e4, 1e4)
    assert math.prod(shape) == y.size
    options = {"scales": scales, "means": means}
    check_round_trip(y.astype(dtype), LEVELS, method, block, seed=seed, **options)


PLAIN = {"NPUQ_KERNELS": "reference"}
WAYS = (PLAIN, {"NPUQ_THREADS": "1"}, {"NPUQ_THREADS": "3"}, PLAIN | {"NPUQ_THREADS": "3"})


@given(shapes, st.booleans(), methods, seeds(), blocks)
def test_plain_compiled_and_on_any_number_of_threads(
    shape: tuple[int, ...], with_scales: bool, method: str, seed: int, block: int
) -> None:
    """The same bytes, and the same numbers from them to the last bit; escapes among them."""
    rng = np.random.default_rng(seed)
    y = STEP * np.round(rng.standard_cauchy(shape) * 8) / 4  # ties of hard rounding among them
    sides = {"scales": rng.integers(1, 1 << 22, shape)} if with_scales else {}
    tables = LEVELS if with_scales else ONE["normal"]
    options = {"method": method, "seed": seed, **sides}
    with mock.patch.object(layout, "BLOCK", block):
        data = npuq.encode_array(y, tables, **options)
        decoded = npuq.decode_array(data, tables, **sides).array
        for way in WAYS:
            with mock.patch.dict(os.environ, way):
                assert npuq.encode_array(y, tables, **options) == data
                again = npuq.decode_array(data, tables, **sides).array
                np.testing.assert_array_equal(again, decoded)


# --- hostile streams ------------------------------------------------------------------------------

Y = np.random.default_rng(0).normal(size=(3, 5, 4))
STREAMS = [
    (npuq.encode_array(Y, ONE["normal"]), ONE["normal"]),
    (npuq.encode_array(Y, THREE, embed=True), None),
    (npuq.encode_array(np.zeros((3, 0)), THREE), THREE),
]


@given(st.sampled_from(range(len(STREAMS))), st.lists(st.integers(0, 1 << 40), min_size=1), seeds())
def test_flipped_bits_are_noticed(which: int, places: list[int], seed: int) -> None:
    data, tables = STREAMS[which]
    changed = bytearray(data)
    for place in places:
        changed[place // 8 % len(data)] ^= 1 << place % 8
    if changed == data:  # some twice
        return
    with pytest.raises((InvalidFileError, TablesError)):
        npuq.decode_array(bytes(changed), tables)
    with pytest.raises(TruncatedFileError):
        npuq.decode_array(data[: seed % len(data)], tables)


sides = st.sampled_from([0, 1, 2, 3, 9, 40, 1 << 14, 1 << 60, (1 << 64) - 1])
fields = st.fixed_dictionaries(
    {"shape": st.lists(sides, max_size=4).map(tuple) | st.just((1,) * 65)},
    optional={
        "method": st.sampled_from([0, 1, 2, 3, 255]),
        "dtype": st.sampled_from([0, 1, 2, 3, 255]),
        "axis": st.none() | st.integers(0, 5),
        "has_scales": st.booleans(),
        "tensor": st.integers(0, 2**32 - 1),
        "scales_crc": st.sampled_from([0, 1]),
    },
)


@given(
    fields,
    st.binary(max_size=40),
    st.sampled_from([0, 0, 0, 1, -1]),
    st.sampled_from(["absent", "sound", "damaged"]),
    seeds(),
)
@each(
    changes=[
        {"method": 3}, {"dtype": 3}, {"axis": 7}, {"axis": 0}, {"has_scales": True},
        {"axis": 0, "has_scales": True}, {"scales_crc": 1}, {"shape": (1,) * 65},
        {"shape": (1 << 14,)}, {"shape": (0, 1 << 60)},
    ],
    payload=[b"", b"something"], surplus=[0], inside=["absent", "sound"], seed=[0],
)  # fmt: skip
def test_what_an_enemy_writes_is_refused_or_decoded(
    changes: dict[str, Any], payload: bytes, surplus: int, inside: str, seed: int
) -> None:
    """Checksums are right, fields and contents are anything: an error of ours, or an array.

    Mostly with as many blocks as the shape has, or nothing beyond the header would be asked.
    """
    header = unpack(STREAMS[0][0]).header._replace(**changes)
    tables = tables_to_bytes(ONE["normal"])
    if inside == "damaged":
        place = seed % len(tables)
        tables = tables[:place] + bytes([tables[place] ^ (1 + seed % 255)]) + tables[place + 1 :]
    axis = header.axis if header.axis is None or header.axis < len(header.shape) else None
    count = min(layout.block_count(layout.grid_of(header.shape, axis)), 9)
    blocks = [payload] * max(count + surplus, 0)
    data = pack(header, b"" if inside == "absent" else tables, blocks)
    given_tables = ONE["normal"] if inside == "absent" else None
    try:
        decoded, end = npuq.decode_array(data, given_tables, largest=10_000)
    except NpuqError:
        return
    assert decoded.shape == header.shape and end == len(data) and decoded.size <= 10_000
    assert np.all(np.isfinite(decoded))

"""Arrays of any shape, type, density and seed come back, from one block or from many."""

from __future__ import annotations

import math
from typing import Any
from unittest import mock

import numpy as np
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds

import npuq
from npuq.latents import layout
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


def check_round_trip(y: Any, tables: Any, method: str, block: int, **options: Any) -> None:
    sides = {name: options[name] for name in ("scales", "means") if name in options}
    with mock.patch.object(layout, "BLOCK", block):
        data = npuq.encode_array(y, tables, method=method, **options)
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

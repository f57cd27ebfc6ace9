"""What makes a CDF module a CDF: monotone, between 0 and 1, and usable in the tails."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npuq.nn import logistic, nonparametric, normal
from npuq.nn.location_scale import Params
from npuq.nn.nonparametric import NonparametricParams

GRID = np.concatenate([-np.geomspace(1e6, 1e-3, 100), [0.0], np.geomspace(1e-3, 1e6, 100)])


def random_params(
    seed: int, spread: float, dtype: Any, widths: tuple[int, ...]
) -> NonparametricParams:
    """Parameters far from where training starts: a and H of either sign, `spread` wide."""
    rng = np.random.default_rng(seed)
    start = nonparametric.init(rng, 3, widths=widths, dtype=dtype)
    return NonparametricParams(
        *(tuple((spread * rng.standard_normal(p.shape)).astype(dtype) for p in ps) for ps in start)
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(
    seed=st.integers(0, 10_000),
    spread=st.floats(0, 6),
    widths=st.lists(st.integers(1, 4), max_size=3).map(tuple),
)
def test_nonparametric_cdf_is_monotone(
    dtype: Any, seed: int, spread: float, widths: tuple[int, ...]
) -> None:
    params = random_params(seed, spread, dtype, widths)
    y = np.broadcast_to(GRID.astype(dtype), (3, GRID.size))
    logits = nonparametric.logits(y, params)
    assert np.all(np.isfinite(logits))
    # Terms of either sign may cancel, so the rounding error is that of the largest of them.
    magnitude = np.maximum(1, np.abs(logits[:, 1:]))
    for H in params.H:
        magnitude = magnitude * (1 + np.abs(H).max())
    slack = 8 * np.finfo(dtype).eps * magnitude
    assert np.all(np.diff(logits, axis=1) >= -slack)
    slopes = nonparametric.logits_backward(np.ones_like(y), y, params)[0]
    assert np.all(slopes >= 0)
    cdf = nonparametric.cdf(y, params)
    assert np.all((cdf >= 0) & (cdf <= 1))


@given(seed=st.integers(0, 10_000))
def test_nonparametric_cdf_is_strictly_inside_where_coefficients_are(seed: int) -> None:
    """At the start, with scale 10: c is in (0, 1) and increases strictly for |y| <= 100."""
    params = nonparametric.init(np.random.default_rng(seed), 2, dtype=np.float64)
    c = nonparametric.cdf(np.broadcast_to(np.linspace(-100, 100, 201), (2, 201)), params)
    assert np.all((c > 0) & (c < 1))
    assert np.all(np.diff(c, axis=1) > 0)


@pytest.mark.parametrize("module", [logistic, normal])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(loc=st.floats(-100, 100), log_scale=st.floats(-3, 6))
def test_location_scale_logits_are_monotone_and_odd(
    module: Any, dtype: Any, loc: float, log_scale: float
) -> None:
    params = Params(np.array([loc], dtype), np.exp(np.array([log_scale], dtype)))
    y = GRID.astype(dtype)
    logits = module.logits(y, params)
    assert np.all(np.isfinite(logits))
    assert np.all(np.diff(logits) >= -np.finfo(dtype).eps)  # an ulp of log 2 around the centre
    mirrored = module.logits(-y, Params(-params.loc, params.scale))
    np.testing.assert_array_equal(mirrored, -logits)
    d_y, d_params = module.logits_backward(np.ones_like(y), y, params)
    assert np.all(np.isfinite(d_y))
    assert np.all(d_y > 0)
    assert np.all(np.isfinite(d_params.scale))
    # Moving every y and the location together changes nothing; 201 float32 terms of one sign.
    np.testing.assert_allclose(d_params.loc, -np.sum(d_y, keepdims=True), rtol=1e-5)


@given(y=st.floats(-1e6, 1e6), scale=st.floats(1e-3, 1e3))
def test_logits_do_not_depend_on_the_unit(y: float, scale: float) -> None:
    """Measuring y, loc and scale in another unit leaves the logit as it is."""
    for module in (logistic, normal):
        one = module.logits(np.array([y]), Params(np.array([0.5]), np.array([2.0])))
        params = Params(np.array([0.5 * scale]), np.array([2.0 * scale]))
        other = module.logits(np.array([y * scale]), params)
        # x rounds by some ulps, of 1 near the centre; the normal's logit doubles relative errors.
        np.testing.assert_allclose(other, one, rtol=1e-14, atol=1e-15)

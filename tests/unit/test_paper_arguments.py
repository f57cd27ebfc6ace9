"""What the functions of `npuq.paper` take: dtypes, softness, shapes of noise, infinities."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from strategies import ALPHAS, DTYPES

from npuq.backend import floats
from npuq.nn import logistic
from npuq.paper import (
    channel,
    conditional_mean,
    density,
    expected_gradient,
    loss,
    older_quantizers,
    scale_mixture,
    soft_round,
    unimodal,
)

Call = Callable[..., Any]
PARAMS = {dtype: logistic.Params(np.array(0.1, dtype), np.array(0.5, dtype)) for dtype in DTYPES}


def of_rate(function: Call, **static: Any) -> Call:
    """A function of density.py or the like on a logistic distribution of the dtype of its array."""

    def call(*arrays: Any) -> Any:
        dtype = np.float32 if getattr(arrays[-1], "dtype", None) == np.float32 else np.float64
        return function(*arrays, PARAMS[dtype], cdf=logistic, **static)

    return call


def at_alpha(function: Call) -> Call:
    return lambda *arrays: function(*arrays, 2)


# By name: every public function of arrays, and how many of them it takes.
UNARY: dict[str, Call] = {
    "round_half_up": channel.round_half_up,
    "soft_round": at_alpha(soft_round.soft_round),
    "soft_round_inverse": at_alpha(soft_round.soft_round_inverse),
    "soft_round_conditional_mean": at_alpha(soft_round.soft_round_conditional_mean),
    "rate_bits": of_rate(density.rate_bits, alpha=2),
    "density": of_rate(density.density, alpha=2),
    "conditional_mean": of_rate(conditional_mean.conditional_mean, alpha=2),
    "mixing_density": lambda s: scale_mixture.mixing_density(s, unimodal.LOGISTIC),
    "mixture_rate_bits": of_rate(
        lambda z, params, cdf: scale_mixture.mixture_rate_bits(z, 0.5, params, cdf=cdf)
    ),
    "expected_derivative": lambda y: expected_gradient.expected_derivative(abs, y),
}
BINARY: dict[str, Call] = {
    "straight_through": channel.round_half_up_backward_straight_through,
    "uniform_noise_channel": channel.uniform_noise_channel,
    "universal_quantize": channel.universal_quantize,
    "universal_dequantize": channel.universal_dequantize,
    "stochastic_round": older_quantizers.stochastic_round,
    "dithered_round": older_quantizers.dithered_round,
    "dithered_pixels": lambda x, u: older_quantizers.dithered_pixels(x, u, 8),
    "mixture_quantize": lambda y, u: scale_mixture.mixture_quantize(y, u, 0.5),
    "mixture_dequantize": lambda k, u: scale_mixture.mixture_dequantize(k, u, 0.5),
    "soft_round_backward": at_alpha(soft_round.soft_round_backward),
    "soft_round_inverse_backward": at_alpha(soft_round.soft_round_inverse_backward),
    "mean_backward": at_alpha(soft_round.soft_round_conditional_mean_backward),
    "mean_backward_expected": at_alpha(
        expected_gradient.soft_round_conditional_mean_backward_expected
    ),
    "interval_bits": density.interval_bits,
    "rate_bits_backward": lambda *a: of_rate(density.rate_bits_backward, alpha=2)(*a)[0],
    "conditional_mean_backward": of_rate(conditional_mean.conditional_mean_backward, alpha=2),
    "rate_bits_backward_expected": of_rate(expected_gradient.rate_bits_backward_expected, alpha=2),
    "mse": loss.mse,
    "mse_backward": lambda x, x_hat: loss.mse_backward(1.0, x, x_hat)[1],
}
TERNARY: dict[str, Call] = {
    "uniform_noise_channel_backward": lambda *a: channel.uniform_noise_channel_backward(*a)[0],
    "stochastic_round_backward": older_quantizers.stochastic_round_backward_straight_through,
    "dithered_round_backward": older_quantizers.dithered_round_backward_straight_through,
    "interval_bits_backward": lambda *a: density.interval_bits_backward(*a)[0],
}
FUNCTIONS = [
    (count, name) for count, table in enumerate((UNARY, BINARY, TERNARY), start=1) for name in table
]


def call(count: int, name: str, x: Any) -> Any:
    return (UNARY, BINARY, TERNARY)[count - 1][name](*[x] * count)


@pytest.mark.parametrize(("count", "name"), FUNCTIONS)
def test_numbers_of_all_kinds(count: int, name: str) -> None:
    """Python's numbers, lists, integers and bools are float64; other precisions are refused."""
    for x in (
        1.0,
        0.3,
        [0.3, 1.0],
        1,
        [[1, 0]],
        np.array([1, 2], np.uint8),
        True,
        np.array([True]),
    ):
        result = np.asarray(call(count, name, x))
        assert result.dtype == np.float64
        np.testing.assert_array_equal(result, call(count, name, np.array(x, np.float64)))
        if name != "mse":
            assert result.shape == np.shape(x)
    single = np.array([0.3, 1.0], np.float32)
    assert name == "mse" or call(count, name, single).dtype == np.float32
    for bad in (single.astype(np.float16), 1j, np.array([1j]), "1", None, [None], np.longdouble(1)):
        with pytest.raises(TypeError, match=r"^\w+ must be float32, float64 or integers, not "):
            call(count, name, bad)


def test_numbers_join_the_array_beside_them() -> None:
    """A gradient of 1, a shift of 1/4 or integers do not make float32 float64."""
    single = np.array([0.3, -1.2], np.float32)
    for other in (1.0, 1, [0.25, 0.5], np.array([1, 2])):
        for name in BINARY:
            is_backward = name == "straight_through" or "backward" in name
            arrays = (other, single) if is_backward and name != "mse_backward" else (single, other)
            if name != "mse":
                assert BINARY[name](*arrays).dtype == np.float32, name
    k = np.array([3, -4], np.int32)
    z = channel.universal_dequantize(k, single)
    assert z.dtype == np.float32
    np.testing.assert_array_equal(z, k.astype(np.float32) + single)


def test_floats_leaves_arrays_as_they_are() -> None:
    for dtype in DTYPES:
        x = np.zeros(3, dtype)
        assert floats(x, "x") is x
    with pytest.raises(TypeError, match="^gain must be .*float16"):
        floats(np.zeros(3, np.float16), "gain")


# --- alpha --------------------------------------------------------------------------------------

NUMBERS = [2, 2.0, np.float64(2), np.float32(2), np.int64(2), Fraction(2)]
OF_ALPHA = [
    soft_round.soft_round,
    soft_round.soft_round_inverse,
    soft_round.soft_round_conditional_mean,
]
BACKWARDS_OF_ALPHA = [
    soft_round.soft_round_backward,
    soft_round.soft_round_inverse_backward,
    soft_round.soft_round_conditional_mean_backward,
    expected_gradient.soft_round_conditional_mean_backward_expected,
]
OF_CDF = [density.rate_bits, density.density, conditional_mean.conditional_mean]
BACKWARDS_OF_CDF = [
    density.rate_bits_backward,
    conditional_mean.conditional_mean_backward,
    expected_gradient.rate_bits_backward_expected,
]


def with_alpha(y: Any, alpha: Any) -> list[Callable[[], Any]]:
    """Calls of every function that takes a softness."""
    params = PARAMS[y.dtype.type]
    calls: list[Callable[[], Any]] = [lambda f=f: f(y, alpha) for f in OF_ALPHA]
    calls += [lambda f=f: f(y, y, alpha) for f in BACKWARDS_OF_ALPHA]
    calls += [lambda f=f: f(y, params, cdf=logistic, alpha=alpha) for f in OF_CDF]
    calls += [lambda f=f: f(y, y, params, cdf=logistic, alpha=alpha) for f in BACKWARDS_OF_CDF]
    return calls


@pytest.mark.parametrize("alpha", NUMBERS, ids=repr)
def test_every_real_number_is_a_softness_and_keeps_float32(alpha: Any) -> None:
    """np.float64, of which np.linspace makes schedules, counts as an array in NumPy's promotion."""
    assert type(soft_round.check_alpha(alpha)) is float
    y = np.array([0.3, -1.2, 2.0], np.float32)
    for actual, expected in zip(with_alpha(y, alpha), with_alpha(y, 2.0), strict=True):
        result, reference = actual(), expected()
        if isinstance(result, tuple):
            result, reference = result[0], reference[0]
        assert result.dtype == np.float32
        np.testing.assert_array_equal(result, reference)


@pytest.mark.parametrize(
    ("alpha", "error"),
    [
        *((bad, TypeError) for bad in (None, "7", [7.0], np.array(7.0), np.ones(2), True, 7j)),
        *((bad, ValueError) for bad in (-1, -1e-300, math.nan, -math.inf, np.float64(-2))),
    ],
    ids=repr,
)
def test_what_is_no_softness_is_refused_everywhere(alpha: Any, error: Any) -> None:
    for function in with_alpha(np.zeros(2), alpha):
        with pytest.raises(error, match="alpha must be a number from 0 to infinity, not"):
            function()
    with pytest.raises(error, match="alpha_r must be"):
        soft_round.check_alpha(alpha, "alpha_r")


# --- shapes of noise ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y_shape", "u_shape"),
    [((3, 4), (4,)), ((3, 4), (3, 1)), ((3,), (5, 3)), ((), (3,)), ((1,), (2,))],
)
def test_noise_that_would_be_broadcast_is_refused(y_shape: Any, u_shape: Any) -> None:
    """It would be a shared shift, which is no bottleneck (Sec. 3.2)."""
    y, u = np.zeros(y_shape), np.zeros(u_shape)
    for name, function in [
        ("y", channel.uniform_noise_channel),
        ("y", channel.universal_quantize),
        ("k", channel.universal_dequantize),
        ("y", lambda y, u: channel.uniform_noise_channel_backward(y, y, u)),
    ]:
        with pytest.raises(ValueError, match=f"^{name} and u must have one shape, not ") as raised:
            function(y, u)
        assert f"{y_shape} and {u_shape}" in str(raised.value)


def test_one_number_is_a_shared_shift() -> None:
    y = np.array([[0.2, 1.7], [-0.4, 3.0]])
    for u in (0.25, np.float64(0.25), np.array(0.25)):
        whole = np.full_like(y, 0.25)
        np.testing.assert_array_equal(channel.uniform_noise_channel(y, u), y + 0.25)
        k = channel.universal_quantize(y, u)
        np.testing.assert_array_equal(k, channel.universal_quantize(y, whole))
        np.testing.assert_array_equal(channel.universal_dequantize(k, u), k + 0.25)
        d_y, d_u = channel.uniform_noise_channel_backward(y, y, u)
        np.testing.assert_array_equal(d_y, y)
        assert d_u == pytest.approx(y.sum())


# --- infinities ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("alpha", ALPHAS)
def test_infinities_are_fixed_points(alpha: float, dtype: Any) -> None:
    y = np.array([np.inf, -np.inf], dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(channel.round_half_up(y), y)
        for function in OF_ALPHA:
            np.testing.assert_array_equal(function(y, alpha), y)
        for backward in BACKWARDS_OF_ALPHA:
            assert np.all(np.isfinite(backward(np.ones_like(y), y, alpha)))
        d = channel.round_half_up_backward_straight_through(np.ones_like(y), y)
        np.testing.assert_array_equal(d, 1)
        bits = density.rate_bits(y, PARAMS[dtype], cdf=logistic, alpha=alpha)
        np.testing.assert_array_equal(bits, np.inf)
    assert np.isnan(soft_round.soft_round(np.array([np.nan], dtype), alpha))  # is still detected


@pytest.mark.parametrize(("count", "name"), FUNCTIONS)
def test_masked_arrays_are_refused(count: int, name: str) -> None:
    """In every place: a mask dropped without a word would make numbers of what is none."""
    for place in range(count):
        arrays = [np.array([0.25, -0.125])] * count
        arrays[place] = np.ma.masked_array(arrays[place], mask=[True, False])
        with pytest.raises(TypeError, match="is a masked array; fill it first"):
            (UNARY, BINARY, TERNARY)[count - 1][name](*arrays)

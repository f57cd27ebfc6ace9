"""The rows of the table of operations that come from `npuq.paper` and the models.

Coefficients keep a distance from integers and half-integers, where the second derivatives of s and
of r jump; the neighbourhood of those points is in rows of its own, with smaller steps.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import in_torch
import numpy as np
import unequal
from operation import Operation, normal_array, values

from npuq.backend import xp_of
from npuq.models.conditional_rate import (
    conditional_bits,
    conditional_bits_backward_straight_through,
    conditional_rate_backward_straight_through,
    conditional_rate_forward,
)
from npuq.models.linear import (
    CHANNELS,
    analyse,
    analyse_backward,
    synthesise,
    synthesise_backward,
)
from npuq.models.noisy_rate import (
    Softness,
    noisy_rate_backward,
    noisy_rate_forward,
    reconstruction,
    reconstruction_backward,
)
from npuq.models.older_rate import (
    older_quantize,
    older_quantize_backward_straight_through,
    older_rate_backward_straight_through,
    older_rate_forward,
)
from npuq.nn import logistic, nonparametric, normal
from npuq.paper.channel import uniform_noise_channel, uniform_noise_channel_backward
from npuq.paper.conditional_mean import conditional_mean, conditional_mean_backward
from npuq.paper.density import (
    interval_bits,
    interval_bits_backward,
    rate_bits,
    rate_bits_backward,
)
from npuq.paper.loss import mse, mse_backward
from npuq.paper.soft_round import (
    soft_round,
    soft_round_backward,
    soft_round_conditional_mean,
    soft_round_conditional_mean_backward,
    soft_round_inverse,
    soft_round_inverse_backward,
)
from npuq.paper.soft_rounded_channel import (
    noisy_rate_bits,
    noisy_rate_bits_backward,
    noisy_reconstruction,
    noisy_reconstruction_backward,
)

ALPHAS = (0.0, 1.0, 7.0, 16.0)
Make = Callable[[np.random.Generator, Any], Any]

# (name, forward, backward, in PyTorch, where it is steep)
_ROUNDINGS = (
    ("soft_round", soft_round, soft_round_backward, in_torch.soft_round, 0.5),
    (
        "soft_round_inverse",
        soft_round_inverse,
        soft_round_inverse_backward,
        in_torch.soft_round_inverse,
        0.0,
    ),
    (
        "soft_round_conditional_mean",
        soft_round_conditional_mean,
        soft_round_conditional_mean_backward,
        in_torch.soft_round_conditional_mean,
        0.5,
    ),
)


def _coefficients(rng: np.random.Generator, dtype: Any, *shape: int) -> Any:
    """Of fractions in (0.08, 0.42) and (0.58, 0.92)."""
    k = rng.integers(-3, 4, shape) + 0.5 * rng.integers(0, 2, shape)
    return (k + rng.uniform(0.08, 0.42, shape)).astype(dtype)


def _rounding_args(alpha: float) -> Make:
    return lambda rng, dtype: ((_coefficients(rng, dtype, 4, 5),), {"alpha": alpha})


def _steep_args(at: float) -> Make:
    """Some distances from `at`, far enough from it on the scale of e^-16, 1e-7."""
    distances = np.array([-3e-2, -1e-3, -2e-5, 2e-5, 1e-3, 3e-2])
    return lambda rng, dtype: ((values(dtype, *(at + distances)),), {"alpha": 16.0})


def _location_scale_args(cdf: Any, alpha: float) -> Make:
    def make(rng: np.random.Generator, dtype: Any) -> Any:
        scale = (0.6 + rng.random((3, 1))).astype(dtype)
        params = logistic.Params(normal_array(rng, dtype, 3, 1, scale=0.5), scale)
        return (_coefficients(rng, dtype, 3, 8) / 2, params), {"cdf": cdf, "alpha": alpha}

    return make


def _nonparametric_args(alpha: float) -> Make:
    def make(rng: np.random.Generator, dtype: Any) -> Any:
        params = unequal.density(rng, 3, init_scale=2.0, dtype=dtype)
        return (_coefficients(rng, dtype, 3, 9), params), {"cdf": nonparametric, "alpha": alpha}

    return make


def _torch_rate(logits: Callable[..., Any]) -> Callable[..., Any]:
    rate = functools.partial(in_torch.rate_bits, logits=logits)
    return lambda z, params, *, cdf, alpha: rate(z, params, alpha=alpha)


def _rate_rows() -> list[Operation]:
    families: list[tuple[str, Callable[[float], Make], Callable[..., Any]]] = [
        ("logistic", functools.partial(_location_scale_args, logistic), in_torch.logistic),
        ("normal", functools.partial(_location_scale_args, normal), in_torch.normal),
        ("nonparametric", _nonparametric_args, in_torch.nonparametric),
    ]
    return [
        Operation(
            f"paper.rate_bits/{name}, alpha {alpha:g}",
            rate_bits,
            rate_bits_backward,
            make_at(alpha),
            _torch_rate(logits),
            step=3e-4,
        )
        for name, make_at, logits in families
        for alpha in (0.0, 7.0)
    ]


def _interval_rows() -> list[Operation]:
    cases = {
        "": ((-2.0, -0.5, 0.3), (1.0, 0.2, 4.0), 1e-3, in_torch.interval_bits),
        "/tails": ((-900.0, 700.0, -2e4), (-899.0, 730.0, 2e4), 1e-5, None),
        "/narrow": ((-3.0, 0.0, 5.0), (-2.98, 0.02, 5.03), 3e-5, in_torch.interval_bits),
    }
    return [
        Operation(
            f"paper.interval_bits{label}",
            interval_bits,
            interval_bits_backward,
            lambda rng, dtype, a=a, b=b: ((values(dtype, *a), values(dtype, *b)), {}),
            torch,
            step=step,  # relative to the gap, and at the tails to the logits
        )
        for label, (a, b, step, torch) in cases.items()
    ]


def _noise_for(rng: np.random.Generator, y: Any, alpha: float) -> Any:
    """Noise that takes s_alpha(y) to a z of such fractions as `_coefficients` have."""
    s = soft_round(y, alpha)
    z = np.floor(2 * (s + rng.random(y.shape) - 0.5)) / 2 + rng.uniform(0.08, 0.42, y.shape)
    return (z - s).astype(y.dtype)


def _channel_args(make: Callable[[float], Make] | None, alpha: float, **static: Any) -> Make:
    """(y, u), and the parameters that `make` has beside y; alpha too goes into `static`."""

    def make_args(rng: np.random.Generator, dtype: Any) -> Any:
        (y, *params), more = ((_coefficients(rng, dtype, 3, 7),), {})
        if make is not None:
            (y, *params), more = make(alpha)(rng, dtype)
        return (y, _noise_for(rng, y, alpha), *params), more | {"alpha": alpha} | static

    return make_args


def _channel_rows() -> list[Operation]:
    """Rate and reconstruction of coefficients before rounding and noise; u has no gradient."""
    families: list[tuple[str, Callable[[float], Make]]] = [
        ("normal", functools.partial(_location_scale_args, normal)),
        ("nonparametric", _nonparametric_args),
    ]
    rates = [
        Operation(
            f"paper.noisy_rate_bits/{name}, alpha {alpha:g}",
            noisy_rate_bits,
            noisy_rate_bits_backward,
            _channel_args(make, alpha),
            wrt=(0, 2),
            step=1e-4,
        )
        for name, make in families
        for alpha in (0.0, 3.0)
    ]
    reconstructions = [
        Operation(
            f"paper.noisy_reconstruction/alpha {alpha:g}, alpha_r {alpha_r:g}",
            noisy_reconstruction,
            noisy_reconstruction_backward,
            _channel_args(None, alpha, alpha_r=alpha_r),
            wrt=(0,),
            step=1e-4,
        )
        for alpha, alpha_r in ((0.0, 0.0), (3.0, 3.0), (2.0, 5.0))
    ]
    return rates + reconstructions


class Coded(NamedTuple):
    """What is differentiable of the rates of the models."""

    r: Any
    bits: Any


def _pair(name: str, forward: Any, backward: Any, make: Make) -> Operation:
    """A row of two functions of which the first keeps something; u, argument 1, has no gradient."""

    def coded(*args: Any, **static: Any) -> Coded:
        r, bits, _ = forward(*args, **static)
        return Coded(r, bits.astype(r.dtype))  # sums are in float64

    @functools.wraps(backward)
    def back(d_y: Coded, *args: Any, **static: Any) -> Any:
        return backward(*d_y, forward(*args, **static).kept)

    return Operation(name, coded, back, make, wrt=(0, 2), step=1e-4)


def _softened(make: Make, softness: Softness) -> Make:
    """The arguments, with this softness in the place of what is static."""

    def make_args(rng: np.random.Generator, dtype: Any) -> Any:
        return make(rng, dtype)[0], {"softness": softness}

    return make_args


def _rate_pairs() -> list[Operation]:
    """Reconstructions and bits together, as the models go through them."""
    rows = []
    for alpha, alpha_r in ((0.0, 0.0), (4.0, 4.0), (2.0, 5.0)):
        softness, label = Softness(alpha, alpha_r), f"alpha {alpha:g}, alpha_r {alpha_r:g}"
        channel = _softened(_channel_args(_nonparametric_args, alpha), softness)
        residuals = _softened(_residual_args(alpha), softness)
        conditional = conditional_rate_forward, conditional_rate_backward_straight_through
        rows += [
            _pair(f"models.noisy_rate/{label}", noisy_rate_forward, noisy_rate_backward, channel),
            _pair(f"models.conditional_rate/{label}", *conditional, residuals),
        ]
    older = older_rate_forward, older_rate_backward_straight_through
    rows += [
        _pair(f"models.older_rate/{quantizer}", *older, _older_rate_args(quantizer))
        for quantizer in ("annealed", "shared-noise")  # which are differentiable
    ]
    channel = _softened(_channel_args(None, 2.0), Softness(2.0, 5.0))
    back = reconstruction_backward
    return [
        *rows,
        Operation("models.reconstruction", reconstruction, back, channel, wrt=(0,), step=1e-4),
    ]


def _older_rate_args(quantizer: str) -> Make:
    def make(rng: np.random.Generator, dtype: Any) -> Any:
        args, _ = _channel_args(_nonparametric_args, 0.0)(rng, dtype)
        return args, {"quantizer": quantizer, "alpha": 3.0}

    return make


def _residual_args(alpha: float) -> Make:
    """Residuals, noise and scales above their bound, where the straight-through one is exact."""

    def make(rng: np.random.Generator, dtype: Any) -> Any:
        t = _coefficients(rng, dtype, 2, 3, 4)
        sigma = (0.3 + rng.random(t.shape)).astype(dtype)
        return (t, _noise_for(rng, t, alpha), sigma), {"alpha": alpha}

    return make


def _older_args(quantizer: str) -> Make:
    def make(rng: np.random.Generator, dtype: Any) -> Any:
        y = _coefficients(rng, dtype, 3, 5)
        u = (rng.random(y.shape) - 0.5).astype(dtype)
        return (y, u), {"quantizer": quantizer, "alpha": 3.0}

    return make


@functools.wraps(mse_backward)
def _mse_backward(d_mse: Any, x: Any, x_hat: Any) -> Any:
    return mse_backward(float(d_mse), x, x_hat)


def _blocks_args(rng: np.random.Generator, dtype: Any) -> Any:
    weights = normal_array(rng, dtype, CHANNELS, 3, 8, 8, scale=0.1)
    return (normal_array(rng, dtype, CHANNELS, 3), weights), {}


PAPER_OPERATIONS: list[Operation] = [
    Operation(
        "paper.uniform_noise_channel",
        uniform_noise_channel,
        uniform_noise_channel_backward,
        lambda rng, dtype: (
            (normal_array(rng, dtype, 2, 3), normal_array(rng, dtype, 2, 3)),
            {},
        ),
        lambda y, u: y + u,
    ),
    *(
        Operation(f"paper.{name}/alpha {alpha:g}", forward, backward, _rounding_args(alpha), torch)
        for name, forward, backward, torch, _ in _ROUNDINGS
        for alpha in ALPHAS
    ),
    *(
        Operation(f"paper.{name}/steep", forward, backward, _steep_args(at), step=3e-7)
        for name, forward, backward, _, at in _ROUNDINGS
    ),
    *_interval_rows(),
    *_rate_rows(),
    *_channel_rows(),
    *_rate_pairs(),
    *(
        Operation(
            f"models.conditional_bits/alpha {alpha:g}",
            conditional_bits,
            conditional_bits_backward_straight_through,
            _residual_args(alpha),
            wrt=(0, 2),
            step=1e-4,
        )
        for alpha in (0.0, 3.0)
    ),
    *(
        Operation(
            f"models.older_quantize/{quantizer}",
            older_quantize,
            older_quantize_backward_straight_through,
            _older_args(quantizer),
            wrt=(0,),
        )
        for quantizer in ("annealed", "shared-noise")  # which are differentiable
    ),
    Operation(
        "paper.conditional_mean",
        conditional_mean,
        conditional_mean_backward,
        _location_scale_args(logistic, 2.0),
        wrt=(0,),
    ),
    Operation(
        "paper.mse",
        lambda x, x_hat: xp_of(x).asarray(mse(x, x_hat), dtype=x.dtype),
        _mse_backward,
        lambda rng, dtype: (
            (normal_array(rng, dtype, 3, 4), normal_array(rng, dtype, 3, 4)),
            {},
        ),
        in_torch.mse,
    ),
    Operation(
        "models.linear.analyse",
        analyse,
        analyse_backward,
        _blocks_args,
        lambda blocks, weights: weights.flatten(1) @ blocks,
    ),
    Operation(
        "models.linear.synthesise",
        synthesise,
        synthesise_backward,
        _blocks_args,
        lambda r, weights: weights.flatten(1).T @ r,
    ),
]

"""The non-parametric CDF of Ballé, Minnen, Singh, Hwang & Johnston 2018, Appendix 6.1.

One distribution per channel, c = f_K o ... o f_1, with

    f_k(x) = g_k(H_k x + b_k),   g_k(x) = x + a_k * tanh(x)   for k < K,
    f_K(x) = sigmoid(H_K x + b_K),

where the entries of H_k are positive (softplus) and those of a_k exceed -1 (tanh), so that every
f_k, and with it c, increases. This is a CDF module: it has `logits` and `logits_backward`.

Shapes:
    C        channels, one CDF each
    r_k      width of the input of f_k; r_1 = r_{K+1} = 1, the others are the hidden `widths`
    y        (C, ...): channels first, then any shape
    H[k]     (C, r_{k+1}, r_k), before softplus
    b[k]     (C, r_{k+1}, 1)
    a[k]     (C, r_{k+1}, 1), before tanh; one fewer than H and b
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from npuq.backend import Array, xp_of
from npuq.nn.activations import sigmoid, softplus, softplus_backward
from npuq.nn.parameters import shape_only

FARTHEST = 2.0**16  # where `inverse_logits` looks no further


class NonparametricParams(NamedTuple):
    """The parameters of C CDFs; shapes at the top of this file."""

    H: tuple[Array, ...]
    a: tuple[Array, ...]
    b: tuple[Array, ...]


def init(
    rng: np.random.Generator,
    channels: int,
    *,
    widths: tuple[int, ...] = (3, 3, 3),
    init_scale: float = 10.0,
    dtype: npt.DTypeLike = np.float32,
) -> NonparametricParams:
    """Fresh parameters of CDFs about `init_scale` wide (Ballé et al. 2018, Appendix 6.1).

    The paper leaves the start open; this is the one in common use: each of the K matrices averages
    its inputs and shrinks them by init_scale^(1/K), the biases b are uniform in [-1/2, 1/2), and
    a = 0 leaves the map affine.

    Args:
        rng: source of the biases.
        channels: C.
        widths: the hidden widths r_2 ... r_K.
        init_scale: the CDF's initial scale in units of y; it should cover the coefficients.
        dtype: of the parameters.

    Raises:
        ValueError: `channels` or a width is not positive, or `init_scale` is not.
    """
    _check_widths(channels, widths)
    if not init_scale > 0:
        raise ValueError(f"init_scale must be positive, not {init_scale}")
    r = (1, *widths, 1)
    shrink = init_scale ** (1 / (len(r) - 1))
    H, a, b = [], [], []
    for r_in, r_out in zip(r[:-1], r[1:], strict=True):
        entry = np.log(np.expm1(1 / (shrink * r_out)))  # softplus(entry) = 1 / (shrink * r_out)
        H.append(np.full((channels, r_out, r_in), entry, dtype))
        a.append(np.zeros((channels, r_out, 1), dtype))
        b.append(rng.uniform(-0.5, 0.5, (channels, r_out, 1)).astype(dtype))
    return NonparametricParams(tuple(H), tuple(a[:-1]), tuple(b))


def shapes(channels: int, widths: tuple[int, ...] = (3, 3, 3)) -> NonparametricParams:
    """The shapes of what `init` makes (Ballé et al. 2018, Appendix 6.1), taking no memory.

    Raises:
        ValueError: `channels` or a width is not positive.
    """
    _check_widths(channels, widths)
    r = (1, *widths, 1)
    columns = tuple(shape_only(channels, r_out, 1) for r_out in r[1:])
    H = tuple(shape_only(channels, r_out, r_in) for r_in, r_out in zip(r[:-1], r[1:], strict=True))
    return NonparametricParams(H, columns[:-1], columns)


def _check_widths(channels: int, widths: tuple[int, ...]) -> None:
    if channels < 1 or min(widths, default=1) < 1:
        raise ValueError(f"channels and widths must be positive, not {channels} and {widths}")


def logits(y: Array, params: NonparametricParams) -> Array:
    """log(c(y) / (1 - c(y))), the argument of the last sigmoid (Ballé et al. 2018, App. 6.1).

    Args:
        y: (C, ...).
        params: of C channels.

    Returns:
        (C, ...), the shape of `y`; not decreasing in y.

    Raises:
        ValueError: the first axis of `y` is not C long.

    Numerics: the logit rather than c itself, because it keeps full relative precision in both
    tails, where c rounds to 0 or to 1. It is monotone up to a rounding error.
    """
    return _forward(y, params)[0].reshape(y.shape)


def inverse_logits(value: float, params: NonparametricParams) -> Array:
    """Where each CDF reaches a logit: its median for 0 (bisection of Ballé et al. 2018, App. 6.1).

    Args:
        value: the logit.
        params: of C channels, on the host.

    Returns:
        (C,), at most FARTHEST in size.
    """
    low = np.full(params.H[0].shape[0], -FARTHEST, params.H[0].dtype)
    high = -low
    for _ in range(50):
        middle = (low + high) / 2
        reached = logits(middle[:, None], params)[:, 0] >= value
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    return high


def logits_backward(
    d_logits: Array, y: Array, params: NonparametricParams
) -> tuple[Array, NonparametricParams]:
    """Gradient of `logits` (Ballé et al. 2018, Appendix 6.1).

    Args:
        d_logits: (C, ...), the upstream gradient.
        y: (C, ...).
        params: of C channels.

    Returns:
        d_y of the shape of `y`, and d_params of the shapes of `params`.
    """
    xp = xp_of(y)
    _, inputs, tanhs = _forward(y, params)
    d_H, d_a, d_b = [], [], []
    d_x = d_logits.reshape(y.shape[0], 1, -1)
    for k in reversed(range(len(params.H))):
        if k < len(params.a):
            a, t = xp.tanh(params.a[k]), tanhs[k]
            d_a.append((d_x * t).sum(axis=-1, keepdims=True) * (1 - a * a))
            d_x = d_x * (1 + a * (1 - t * t))
        d_b.append(d_x.sum(axis=-1, keepdims=True))
        d_H.append(softplus_backward(d_x @ inputs[k].swapaxes(1, 2), params.H[k]))
        d_x = softplus(params.H[k]).swapaxes(1, 2) @ d_x
    d_params = NonparametricParams(tuple(d_H[::-1]), tuple(d_a[::-1]), tuple(d_b[::-1]))
    return d_x.reshape(y.shape), d_params


def cdf(y: Array, params: NonparametricParams) -> Array:
    """c(y) in [0, 1], of the shape of `y` (C, ...) (Ballé et al. 2018, Appendix 6.1)."""
    return sigmoid(logits(y, params))


def _forward(y: Array, params: NonparametricParams) -> tuple[Any, list[Array], list[Array]]:
    """The logits as (C, 1, n), each f_k's input, and each tanh: what the backward needs."""
    xp = xp_of(y)
    channels = params.H[0].shape[0]
    if y.ndim == 0 or y.shape[0] != channels:
        raise ValueError(f"y has shape {y.shape}; its first axis must be the {channels} channels")
    x = y.reshape(channels, 1, -1)
    inputs, tanhs = [], []
    for k, (H, b) in enumerate(zip(params.H, params.b, strict=True)):
        inputs.append(x)
        x = softplus(H) @ x + b
        if k < len(params.a):
            tanhs.append(xp.tanh(x))
            x = x + xp.tanh(params.a[k]) * tanhs[k]
    return x, inputs, tanhs

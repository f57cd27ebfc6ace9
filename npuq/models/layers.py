"""Stacks of convolutions with something between: the four transforms of the hyperprior model.

A stack is a tuple of convolutions and, between them, GDN or leaky ReLUs. Forward keeps the input of
each step; backward reads it upwards. Shapes, channels last: x (B, H, W, C).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from npuq.backend import Array
from npuq.nn.activations import leaky_relu, leaky_relu_backward
from npuq.nn.conv import (
    conv2d,
    conv2d_backward,
    conv2d_bias_gradient,
    conv2d_kernel_gradient,
    conv_transpose2d,
    conv_transpose2d_backward,
)
from npuq.nn.gdn import gdn, gdn_backward, inverse_gdn, inverse_gdn_backward
from npuq.nn.non_negative import non_negative, non_negative_backward_straight_through

SMALLEST_BETA = 1e-6  # of GDN


class Conv(NamedTuple):
    """Kernels (C_out, C_in, k, k) and bias (C_out,) of a convolution; of a transposed one, kernels
    (C_in, C_out, k, k)."""

    w: Array
    b: Array


class Gdn(NamedTuple):
    """Free parameters of a GDN, see `npuq.nn.non_negative`: (C,) and (C, C)."""

    beta: Array
    gamma: Array


class Sampling(NamedTuple):
    """What a convolution does to the size: its functions in `npuq.nn.conv`, and their numbers."""

    forward: Callable[..., Array]
    backward: Callable[..., Any]
    static: dict[str, int]


DOWN = Sampling(conv2d, conv2d_backward, {"stride": 2, "padding": 2})
UP = Sampling(
    conv_transpose2d, conv_transpose2d_backward, {"stride": 2, "padding": 2, "output_padding": 1}
)
FLAT = Sampling(conv2d, conv2d_backward, {"stride": 1, "padding": 1})
"""5x5 and half the size; 5x5 and twice the size; 3x3 and the same size."""


def stack_forward(
    x: Array, convs: Sequence[Conv], samplings: Sequence[Sampling],
    between: Sequence[Gdn] | None, *, inverse: bool = False, slope: float = 0.01,
) -> tuple[Array, list[Array]]:  # fmt: skip
    """Convolutions, with GDN (or its inverse) between them, or leaky ReLUs where `between` is None.

    Returns:
        The result, and the inputs of all steps, which the way back needs.
    """
    kept = []
    for i, (conv, sampling) in enumerate(zip(convs, samplings, strict=True)):
        if i > 0:
            kept.append(x)
            x = leaky_relu(x, slope) if between is None else _gdn(x, between[i - 1], inverse)
        kept.append(x)
        x = sampling.forward(x, conv.w, conv.b, **sampling.static)
    return x, kept


def stack_backward_straight_through(
    d_y: Array, kept: Sequence[Array], convs: Sequence[Conv], samplings: Sequence[Sampling],
    between: Sequence[Gdn] | None, *, inverse: bool = False, slope: float = 0.01,
    needs_d_x: bool = True,
) -> tuple[Any, tuple[Conv, ...], tuple[Gdn, ...] | None]:  # fmt: skip
    """Gradients of `stack_forward`: d_x, d_convs and d_between (None where there is none).

    They are exact but for parameters of GDN below their bounds, to which what leads back up passes
    (Ballé 2018, Sec. 2), see `npuq.nn.non_negative`.

    Args:
        d_y: the upstream gradient.
        kept: what `stack_forward` kept; all that follows is as there.
        needs_d_x: or else d_x is None, for a stack that begins with a convolution of pixels.
    """
    inputs = list(kept)
    d_x: Any = d_y
    d_convs: list[Conv] = []
    d_between: list[Gdn] = []
    for i in reversed(range(len(convs))):
        sampling, conv, x = samplings[i], convs[i], inputs.pop()
        if i > 0 or needs_d_x:
            d_x, d_w, d_b = sampling.backward(d_x, x, conv.w, conv.b, **sampling.static)
        else:
            d_w = conv2d_kernel_gradient(d_x, x, kernel=conv.w.shape[2:], **sampling.static)
            d_x, d_b = None, conv2d_bias_gradient(d_x)
        d_convs.append(Conv(d_w, d_b))
        if i == 0:
            break
        x = inputs.pop()
        if between is None:
            d_x = leaky_relu_backward(d_x, x, slope)
        else:
            d_x, d_gdn = _gdn_backward_straight_through(d_x, x, between[i - 1], inverse)
            d_between.append(d_gdn)
    return d_x, tuple(d_convs[::-1]), None if between is None else tuple(d_between[::-1])


def _gdn(x: Array, params: Gdn, inverse: bool) -> Array:
    function = inverse_gdn if inverse else gdn
    return function(x, non_negative(params.beta, SMALLEST_BETA), non_negative(params.gamma))


def _gdn_backward_straight_through(
    d_y: Array, x: Array, params: Gdn, inverse: bool
) -> tuple[Array, Gdn]:
    function = inverse_gdn_backward if inverse else gdn_backward
    beta, gamma = non_negative(params.beta, SMALLEST_BETA), non_negative(params.gamma)
    d_x, d_beta, d_gamma = function(d_y, x, beta, gamma)
    return d_x, Gdn(
        non_negative_backward_straight_through(d_beta, params.beta, SMALLEST_BETA),
        non_negative_backward_straight_through(d_gamma, params.gamma),
    )

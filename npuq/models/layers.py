"""Stacks of convolutions with something between: the four transforms of the hyperprior model.

A stack is a tuple of convolutions and, between them, GDN or leaky ReLUs. Forward keeps the input of
each step; backward reads it upwards. Shapes, channels last: x (B, H, W, C).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from npuq.backend import Array
from npuq.nn.activations import leaky_relu, leaky_relu_backward
from npuq.nn.conv_last import (
    conv2d_last,
    conv2d_last_backward,
    conv_transpose2d_last,
    conv_transpose2d_last_backward,
    kernel_gradient_last,
    offset_gradient_last,
)
from npuq.nn.gdn import gdn, gdn_backward, inverse_gdn, inverse_gdn_backward
from npuq.nn.non_negative import non_negative, non_negative_backward_straight_through

SMALLEST_BETA = 1e-6  # of GDN


class Conv(NamedTuple):
    """Kernels and offsets of a convolution, (C_out, C_in, k, k), or of a transposed one,
    (C_in, C_out, k, k); and (C_out,)."""

    w: Array
    b: Array


class Gdn(NamedTuple):
    """Free parameters of a GDN, see `npuq.nn.non_negative`: (C,) and (C, C)."""

    beta: Array
    gamma: Array


class Kind(NamedTuple):
    """How to compute one kind of step: what has no parameters to be trained."""

    forward: Callable[..., Array]
    backward: Callable[..., Any]
    static: dict[str, int]


DOWN = Kind(conv2d_last, conv2d_last_backward, {"stride": 2, "padding": 2})
UP = Kind(
    conv_transpose2d_last,
    conv_transpose2d_last_backward,
    {"stride": 2, "padding": 2, "output_padding": 1},
)
FLAT = Kind(conv2d_last, conv2d_last_backward, {"stride": 1, "padding": 1})
"""5x5 and half the size; 5x5 and twice the size; 3x3 and the same size."""


def stack_forward(
    x: Array, convs: Sequence[Conv], kinds: Sequence[Kind], between: Sequence[Gdn] | None, *,
    inverse: bool = False, slope: float = 0.01,
) -> tuple[Array, list[Array]]:  # fmt: skip
    """Convolutions, with GDN (or its inverse) between them, or leaky ReLUs where `between` is None.

    `slope` is that of the leaky ReLUs; `stack_backward` knows the usual one only.

    Returns:
        The result, and the inputs of all steps, which `stack_backward` needs.
    """
    kept = []
    for i, (conv, kind) in enumerate(zip(convs, kinds, strict=True)):
        if i > 0:
            kept.append(x)
            x = leaky_relu(x, slope) if between is None else _gdn(x, between[i - 1], inverse)
        kept.append(x)
        x = kind.forward(x, conv.w, conv.b, **kind.static)
    return x, kept


def stack_backward(
    d_y: Array, kept: list[Array], convs: Sequence[Conv], kinds: Sequence[Kind],
    between: Sequence[Gdn] | None, *, inverse: bool = False, needs_d_x: bool = True,
) -> tuple[Any, tuple[Conv, ...], tuple[Gdn, ...] | None]:  # fmt: skip
    """Gradients of `stack_forward`: d_x, d_convs and d_between (None where there is none).

    Without `needs_d_x`, for a stack that begins with a convolution of pixels, d_x is None.
    """
    d_x: Any = d_y
    d_convs: list[Conv] = []
    d_between: list[Gdn] = []
    inputs = list(kept)
    for i in reversed(range(len(convs))):
        kind, conv, x = kinds[i], convs[i], inputs.pop()
        if i > 0 or needs_d_x:
            d_x, d_w, d_b = kind.backward(d_x, x, conv.w, conv.b, **kind.static)
        else:
            d_w = kernel_gradient_last(d_x, x, kernel=conv.w.shape[2:], **kind.static)
            d_x, d_b = None, offset_gradient_last(d_x)
        d_convs.append(Conv(d_w, d_b))
        if i > 0:
            params = None if between is None else between[i - 1]
            d_x, d_params = _between_backward(d_x, inputs.pop(), params, inverse)
            if d_params is not None:
                d_between.append(d_params)
    return d_x, tuple(d_convs[::-1]), None if between is None else tuple(d_between[::-1])


def _gdn(x: Array, params: Gdn, inverse: bool) -> Array:
    function = inverse_gdn if inverse else gdn
    return function(x, non_negative(params.beta, SMALLEST_BETA), non_negative(params.gamma))


def _between_backward(
    d_y: Array, x: Array, params: Gdn | None, inverse: bool
) -> tuple[Array, Gdn | None]:
    if params is None:
        return leaky_relu_backward(d_y, x), None
    function = inverse_gdn_backward if inverse else gdn_backward
    beta, gamma = non_negative(params.beta, SMALLEST_BETA), non_negative(params.gamma)
    d_x, d_beta, d_gamma = function(d_y, x, beta, gamma)
    return d_x, Gdn(
        non_negative_backward_straight_through(d_beta, params.beta, SMALLEST_BETA),
        non_negative_backward_straight_through(d_gamma, params.gamma),
    )

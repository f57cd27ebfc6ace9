"""The network of the non-parametric CDF at one point, there and back, in scalars.

`npuq.nn.nonparametric` says what it computes. It is written out here for hidden widths 3, 3, 3, the
usual ones, so that a loop over points becomes vector instructions that keep all of a point, and the
sums of the gradients, in registers: no array in sight.

The weights of C channels come as one array (C, 43), `packed`: per layer the entries of softplus(H)
row by row, then b, then tanh(a) (not for the last layer). A triple is three numbers; a 3 x 3 matrix
H is nine, row by row.
"""

from __future__ import annotations

import numpy as np

from npuq.backend import Array
from npuq.kernels.cpu.elementary import ONE, tanh
from npuq.nn.activations import softplus, softplus_backward
from npuq.nn.nonparametric import NonparametricParams
from npuq.runtime.compile import jit

WIDTHS = (3, 3, 3)
WEIGHTS = 43
# Reordering sums lets reductions use vectors; infinities and NaN keep their meaning. NumPy's error
# model, without an exception for each division by zero, lets divisions use them.
# All parts are inlined by force: as functions of their own they would exist twice, compiled apart
# and within the whole, and which copy runs, hence the last bits, would depend on Numba's cache.
FAST = {"reassoc", "contract", "nsz", "arcp"}


@jit(fastmath=FAST, error_model="numpy", forceinline=True)
def _three(w, at):
    return w[at], w[at + 1], w[at + 2]


@jit(fastmath=FAST, error_model="numpy", forceinline=True)
def _nine(w, at):
    return _three(w, at) + _three(w, at + 3) + _three(w, at + 6)


@jit(fastmath=FAST, error_model="numpy", forceinline=True)
def layers_of(w):
    """The packed weights of one channel by layer: (H, b, a) three times, then H and b."""
    return (
        _three(w, 0), _three(w, 3), _three(w, 6),
        _nine(w, 9), _three(w, 18), _three(w, 21),
        _nine(w, 24), _three(w, 33), _three(w, 36),
        _three(w, 39), w[42],
    )  # fmt: skip


@jit(fastmath=FAST, error_model="numpy", forceinline=True)
def _affine(H, b, x):
    """b + H x, of three inputs."""
    return (
        b[0] + H[0] * x[0] + H[1] * x[1] + H[2] * x[2],
        b[1] + H[3] * x[0] + H[4] * x[1] + H[5] * x[2],
        b[2] + H[6] * x[0] + H[7] * x[1] + H[8] * x[2],
    )


@jit(fastmath=FAST, error_model="numpy", forceinline=True)
def _tanhs(h):
    return tanh(h[0]), tanh(h[1]), tanh(h[2])


@jit(fastmath=FAST, error_model="numpy", forceinline=True)
def _bend(h, a, t):
    """g(h) = h + a t, t = tanh(h)."""
    return h[0] + a[0] * t[0], h[1] + a[1] * t[1], h[2] + a[2] * t[2]


@jit(fastmath=FAST, error_model="numpy", forceinline=True)
def network(y, layers):
    """The logit of the CDF at y, and each layer's tanh t and output x, for the way back."""
    H1, b1, a1, H2, b2, a2, H3, b3, a3, H4, b4 = layers
    h = (b1[0] + H1[0] * y, b1[1] + H1[1] * y, b1[2] + H1[2] * y)
    t1 = _tanhs(h)
    x1 = _bend(h, a1, t1)
    h = _affine(H2, b2, x1)
    t2 = _tanhs(h)
    x2 = _bend(h, a2, t2)
    h = _affine(H3, b3, x2)
    t3 = _tanhs(h)
    x3 = _bend(h, a3, t3)
    logit = b4 + H4[0] * x3[0] + H4[1] * x3[1] + H4[2] * x3[2]
    return logit, (t1, x1, t2, x2, t3, x3)


@jit(fastmath=FAST, error_model="numpy", forceinline=True)
def _affine_backward(d, H):
    """The transpose of H, times d."""
    return (
        H[0] * d[0] + H[3] * d[1] + H[6] * d[2],
        H[1] * d[0] + H[4] * d[1] + H[7] * d[2],
        H[2] * d[0] + H[5] * d[1] + H[8] * d[2],
    )


@jit(fastmath=FAST, error_model="numpy", forceinline=True)
def _bend_backward(d, a, t):
    """d g'(h), with g' = 1 + a (1 - t^2)."""
    return (
        d[0] * (ONE + a[0] * (ONE - t[0] * t[0])),
        d[1] * (ONE + a[1] * (ONE - t[1] * t[1])),
        d[2] * (ONE + a[2] * (ONE - t[2] * t[2])),
    )


@jit(fastmath=FAST, error_model="numpy", forceinline=True)
def _plus(total, d):
    return total[0] + d[0], total[1] + d[1], total[2] + d[2]


@jit(fastmath=FAST, error_model="numpy", forceinline=True)
def _plus_product(total, d, t):
    return total[0] + d[0] * t[0], total[1] + d[1] * t[1], total[2] + d[2] * t[2]


@jit(fastmath=FAST, error_model="numpy", forceinline=True)
def _plus_outer(total, d, x):
    return (
        total[0] + d[0] * x[0], total[1] + d[0] * x[1], total[2] + d[0] * x[2],
        total[3] + d[1] * x[0], total[4] + d[1] * x[1], total[5] + d[1] * x[2],
        total[6] + d[2] * x[0], total[7] + d[2] * x[1], total[8] + d[2] * x[2],
    )  # fmt: skip


@jit(fastmath=FAST, error_model="numpy", forceinline=True)
def add_network_gradients(d_logit, y, kept, layers, sums):
    """`network` read upwards: d_y, and `sums` with the gradients of the weights added to them."""
    H1, _, a1, H2, _, a2, H3, _, a3, H4, _ = layers
    t1, x1, t2, x2, t3, x3 = kept
    d_H1, d_b1, d_a1, d_H2, d_b2, d_a2, d_H3, d_b3, d_a3, d_H4, d_b4 = sums
    d_b4 += d_logit
    d_H4 = _plus_product(d_H4, (d_logit, d_logit, d_logit), x3)
    d = (H4[0] * d_logit, H4[1] * d_logit, H4[2] * d_logit)

    d_a3 = _plus_product(d_a3, d, t3)
    d = _bend_backward(d, a3, t3)
    d_b3 = _plus(d_b3, d)
    d_H3 = _plus_outer(d_H3, d, x2)
    d = _affine_backward(d, H3)

    d_a2 = _plus_product(d_a2, d, t2)
    d = _bend_backward(d, a2, t2)
    d_b2 = _plus(d_b2, d)
    d_H2 = _plus_outer(d_H2, d, x1)
    d = _affine_backward(d, H2)

    d_a1 = _plus_product(d_a1, d, t1)
    d = _bend_backward(d, a1, t1)
    d_b1 = _plus(d_b1, d)
    d_H1 = _plus_product(d_H1, d, (y, y, y))
    d_y = H1[0] * d[0] + H1[1] * d[1] + H1[2] * d[2]
    return d_y, (d_H1, d_b1, d_a1, d_H2, d_b2, d_a2, d_H3, d_b3, d_a3, d_H4, d_b4)


def is_written_out(density: NonparametricParams) -> bool:
    """Whether a density's hidden widths are those that are written out here."""
    return tuple(b.shape[1] for b in density.b[:-1]) == WIDTHS


def packed(density: NonparametricParams) -> Array:
    """The effective weights of a density, (C, w) for any widths."""
    channels = len(density.H[0])
    parts = []
    for k, (H, b) in enumerate(zip(density.H, density.b, strict=True)):
        parts += [softplus(H).reshape(channels, -1), b.reshape(channels, -1)]
        if k < len(density.a):
            parts.append(np.tanh(density.a[k]).reshape(channels, -1))
    return np.concatenate(parts, axis=1)


def packed_backward(d_weights: Array, density: NonparametricParams) -> NonparametricParams:
    """Gradients of `packed`, with respect to the parameters before softplus and tanh."""
    d_H, d_a, d_b, at = [], [], [], 0

    def take(like: Array) -> Array:
        nonlocal at
        size = like[0].size
        at += size
        return d_weights[:, at - size : at].reshape(like.shape)

    for k, (H, b) in enumerate(zip(density.H, density.b, strict=True)):
        d_H.append(softplus_backward(take(H), H))
        d_b.append(take(b).copy())
        if k < len(density.a):
            a = density.a[k]
            d_a.append(take(a) * (1 - np.tanh(a) ** 2))
    return NonparametricParams(tuple(d_H), tuple(d_a), tuple(d_b))

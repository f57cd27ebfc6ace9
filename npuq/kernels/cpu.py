"""The hot loop of training on CPUs: noise, soft rounding, rate and all their gradients in one pass.

The plain twin is `npuq.models.noisy_rate.noisy_rate_reference`, which composes the functions of
`npuq.paper` and `npuq.nn`; the formulas and their names are theirs. What differs here:

* A block of 128 coefficients at a time goes through everything while it lies in the cache. Each
  line of arithmetic is a loop over the block, which becomes vector instructions.
* All is made of tanh, log and division. With T = tanh(x/2): sigmoid(x) = (1 + T)/2, and
  1 - e^-x = 2 T/(1 + T) without cancellation.

Shapes: C channels, n coefficients of each; weights (C, w): per layer the entries of softplus(H)
row by row, then b, then tanh(a) (not for the last layer), see `pack`.
"""

from __future__ import annotations

import math

import numpy as np

from npuq.kernels.compile import jit
from npuq.kernels.elementary import log_in_place, tanh
from npuq.kernels.threads import for_each_range

BLOCK = 128
# Reordering sums lets reductions use vectors; infinities and NaN keep their meaning. NumPy's error
# model, without an exception for each division by zero, lets divisions use them.
# All parts are inlined by force: as functions of their own they would exist twice, compiled apart
# and within the whole, and which copy runs, hence the last bits, would depend on Numba's cache.
FAST = {"reassoc", "contract", "nsz", "arcp"}
_HALF, _ONE, _TWO = np.float32(0.5), np.float32(1), np.float32(2)
_SMALLEST_GAP = np.float32(np.finfo(np.float32).eps ** 2)
_BITS_PER_NAT = np.float32(1 / math.log(2))


@jit(fastmath=FAST, error_model="numpy", forceinline=True)
def _forward(points, weights, widths, x, t):  # type: ignore[no-untyped-def]
    """Logits of the CDF at `points`; keeps each layer's inputs in x and tanh in t.

    x (K + 1, r, N), t (K, r, N): the logits end up in x[K, 0].
    """
    layers, size = len(widths) - 1, len(points)
    x[0, 0, :size] = points
    at = 0
    for k in range(layers):
        r_in, r_out = widths[k], widths[k + 1]
        for i in range(r_out):
            h, b = x[k + 1, i, :size], weights[at + r_out * r_in + i]
            H, source = weights[at + i * r_in], x[k, 0, :size]
            for p in range(size):
                h[p] = b + H * source[p]
            for j in range(1, r_in):
                H, source = weights[at + i * r_in + j], x[k, j, :size]
                for p in range(size):
                    h[p] += H * source[p]
        at += r_out * r_in + r_out
        if k + 1 < layers:
            for i in range(r_out):
                h, kept, a = x[k + 1, i, :size], t[k, i, :size], weights[at + i]
                for p in range(size):
                    kept[p] = tanh(h[p])
                    h[p] += a * kept[p]
            at += r_out


@jit(fastmath=FAST, error_model="numpy", forceinline=True)
def _backward(d_logits, weights, widths, x, t, d_x, d_h, d_weights):  # type: ignore[no-untyped-def]
    """Adds the gradients of the weights to d_weights; leaves that of the points in d_x[0].

    d_logits (N,); d_x, d_h (r, N) are working memory.
    """
    layers, size = len(widths) - 1, len(d_logits)
    d_x[0, :size] = d_logits
    at = len(weights)
    for k in range(layers - 1, -1, -1):
        r_in, r_out = widths[k], widths[k + 1]
        if k + 1 < layers:
            at -= r_out
            for i in range(r_out):
                d, kept, a = d_x[i, :size], t[k, i, :size], weights[at + i]
                total = np.float32(0)
                for p in range(size):
                    total += d[p] * kept[p]
                    d[p] *= _ONE + a * (_ONE - kept[p] * kept[p])
                d_weights[at + i] += total
        at -= r_out * r_in + r_out
        for i in range(r_out):
            d, kept_d = d_x[i, :size], d_h[i, :size]
            total = np.float32(0)
            for p in range(size):
                total += d[p]
                kept_d[p] = d[p]
            d_weights[at + r_out * r_in + i] += total
        for j in range(r_in):
            source, d = x[k, j, :size], d_x[j, :size]
            for i in range(r_out):
                d_out, H = d_h[i, :size], weights[at + i * r_in + j]
                total = np.float32(0)
                if i == 0:
                    for p in range(size):
                        total += d_out[p] * source[p]
                        d[p] = H * d_out[p]
                else:
                    for p in range(size):
                        total += d_out[p] * source[p]
                        d[p] += H * d_out[p]
                d_weights[at + i * r_in + j] += total


@jit(fastmath=FAST, error_model="numpy", forceinline=True)
def _soft_round(y, alpha, s, slope):  # type: ignore[no-untyped-def]
    """s_alpha (Eq. 10) and its derivative, in the literal form.

    Its error is 1e-6, or two ulps of y where that is more, from |y| = 4 on; both times alpha / 2,
    about the steepest slope, where that exceeds 1.
    """
    half = np.float32(0.5 / math.tanh(0.5 * alpha))
    a = np.float32(alpha)
    for p in range(len(y)):
        floor = np.floor(y[p])
        e = tanh(a * (y[p] - floor - _HALF))
        s[p] = floor + _HALF + half * e
        slope[p] = a * half * (_ONE - e) * (_ONE + e)


@jit(fastmath=FAST, error_model="numpy", forceinline=True)
def _conditional_mean(z, alpha, r, slope, room):  # type: ignore[no-untyped-def]
    """r_alpha (Eq. 14) and its derivative.

    With z = n + w: r = n + log(((1 + 2w) + (1 - 2w) q) / ((1 + 2w) q + (1 - 2w))) / (2 alpha),
    q = e^-alpha.
    """
    q = np.float32(math.exp(-alpha))
    scale, per_log = np.float32(-math.expm1(-alpha) / alpha), np.float32(0.5 / alpha)
    for p in range(len(z)):
        w = _TWO * (z[p] - np.floor(z[p] + _HALF))
        above, below = (_ONE + w) + (_ONE - w) * q, (_ONE + w) * q + (_ONE - w)
        r[p] = above / below
        slope[p] = scale / above + scale / below
    log_in_place(r, room)
    for p in range(len(z)):
        r[p] = np.floor(z[p] + _HALF) + per_log * r[p]


@jit(fastmath=FAST, error_model="numpy", forceinline=True)
def _interval(lower, upper, linear, product, d_lower, d_upper):  # type: ignore[no-untyped-def]
    """`paper.density.interval_bits` and its backward; nats = linear - log(product)."""
    for p in range(len(lower)):
        a, b = lower[p], upper[p]
        gap = max(b - a, _SMALLEST_GAP)
        tg, ta, tb = tanh(_HALF * gap), tanh(_HALF * a), tanh(_HALF * b)
        linear[p] = max(a, np.float32(0)) + max(-b, np.float32(0))
        product[p] = tg / (_ONE + tg) * (_ONE + abs(ta)) * (_ONE + abs(tb)) * _HALF
        shared = _ONE / tg - _ONE if b - a > _SMALLEST_GAP else np.float32(0)  # 2 / (e^gap - 1)
        d_lower[p] = _HALF * (_ONE + ta + shared)
        d_upper[p] = -_HALF * (_ONE - tb + shared)


@jit(fastmath=FAST, error_model="numpy", forceinline=True)
def _expected_rate(logits, size, out, room):  # type: ignore[no-untyped-def]
    """Bits over [y, y + 1] less those over [y - 1, y], from the logits at y - 1, y, y + 1."""
    for p in range(size):
        l0, l1, l2 = logits[p], logits[size + p], logits[2 * size + p]
        t01 = tanh(_HALF * max(l1 - l0, _SMALLEST_GAP))
        t12 = tanh(_HALF * max(l2 - l1, _SMALLEST_GAP))
        t0, t2 = tanh(_HALF * abs(l0)), tanh(_HALF * abs(l2))
        out[p] = t01 * (_ONE + t12) * (_ONE + t0) / (t12 * (_ONE + t01) * (_ONE + t2))
    log_in_place(out[:size], room)
    for p in range(size):
        l0, l1, l2 = logits[p], logits[size + p], logits[2 * size + p]
        linear = l1 + max(-l2, np.float32(0)) - max(l0, np.float32(0))
        out[p] = (out[p] + linear) * _BITS_PER_NAT


@jit(fastmath=FAST, error_model="numpy")
def _channels(  # type: ignore[no-untyped-def]
    start, stop, y, u, weights, widths, alpha, alpha_r, expected_rate, expected_distortion,
    r, bits, d_y, dr_dy, d_weights,
):  # fmt: skip
    layers, r_max = len(widths) - 1, widths.max()
    x = np.empty((layers + 1, r_max, 3 * BLOCK), np.float32)
    t = np.empty((layers, r_max, 3 * BLOCK), np.float32)
    d_x = np.empty((r_max, 2 * BLOCK), np.float32)
    d_h = np.empty((r_max, 2 * BLOCK), np.float32)
    points = np.empty(3 * BLOCK, np.float32)
    d_logits = np.empty(2 * BLOCK, np.float32)
    s, s_slope, z, m, m_slope, r_slope, room, linear, product, expected = np.empty(
        (10, BLOCK), np.float32
    )
    for c in range(start, stop):
        for first in range(0, y.shape[1], BLOCK):
            size = min(BLOCK, y.shape[1] - first)
            span = slice(first, first + size)
            if alpha > 0:
                _soft_round(y[c, span], alpha, s[:size], s_slope[:size])
            else:
                s[:size] = y[c, span]
                s_slope[:size] = _ONE
            for p in range(size):
                z[p] = s[p] + u[c, first + p]
            if alpha > 0:
                _conditional_mean(z[:size], alpha, m[:size], m_slope[:size], room)
            else:
                m[:size] = z[:size]
                m_slope[:size] = _ONE
            if alpha_r == alpha:
                r[c, span] = m[:size]
                r_slope[:size] = m_slope[:size]
            elif alpha_r > 0:
                _conditional_mean(z[:size], alpha_r, r[c, span], r_slope[:size], room)
            else:
                r[c, span] = z[:size]
                r_slope[:size] = _ONE
            if expected_rate:
                for p in range(size):
                    points[p] = y[c, first + p] - _ONE
                    points[size + p] = y[c, first + p]
                    points[2 * size + p] = y[c, first + p] + _ONE
                _forward(points[: 3 * size], weights[c], widths, x, t)
                _expected_rate(x[layers, 0], size, expected, room)
            for p in range(size):
                points[p] = m[p] - _HALF
                points[size + p] = m[p] + _HALF
            _forward(points[: 2 * size], weights[c], widths, x, t)
            logits = x[layers, 0]
            _interval(
                logits[:size], logits[size : 2 * size], linear, product,
                d_logits[:size], d_logits[size : 2 * size],
            )  # fmt: skip
            log_in_place(product[:size], room)
            total = np.float32(0)
            for p in range(size):
                total += linear[p] - product[p]
            bits[c] += total * _BITS_PER_NAT
            _backward(d_logits[: 2 * size], weights[c], widths, x, t, d_x, d_h, d_weights[c])
            for p in range(size):
                if expected_rate:
                    rate = expected[p]
                else:
                    rate = (d_x[0, p] + d_x[0, size + p]) * m_slope[p] * _BITS_PER_NAT
                d_y[c, first + p] = rate * s_slope[p]
                dr_dy[c, first + p] = s_slope[p] * (_ONE if expected_distortion else r_slope[p])
        for i in range(weights.shape[1]):
            d_weights[c, i] *= _BITS_PER_NAT


def noisy_rate(  # type: ignore[no-untyped-def]
    y, u, weights, widths, alpha, alpha_r, expected_rate, expected_distortion
):
    """The kernel over all channels and cores.

    Args:
        y, u: (C, n) float32 coefficients and noise, contiguous, of one shape (not checked here).
        weights: (C, w) float32, packed effective weights of the CDF (see the top of the file).
        widths: (K + 1,) int64, the widths 1, r_2, ..., 1 of its layers.
        alpha, alpha_r: softness of s and of r: 0, or from 0.01, below which r loses its digits in
            float32, to 80, where float32 ends.
        expected_rate, expected_distortion: use Eq. (17), Eq. (20).

    Returns:
        r (C, n) the reconstructions, bits (C,) float64, d_y (C, n) the gradient of all bits,
        dr_dy (C, n), and d_weights (C, w) with respect to the packed weights.
    """
    channels = y.shape[0]
    r, d_y, dr_dy = np.empty_like(y), np.empty_like(y), np.empty_like(y)
    bits, d_weights = np.zeros(channels), np.zeros_like(weights)

    def run(start: int, stop: int) -> None:
        _channels(
            start, stop, y, u, weights, widths, float(alpha), float(alpha_r),
            bool(expected_rate), bool(expected_distortion), r, bits, d_y, dr_dy, d_weights,
        )  # fmt: skip

    for_each_range(run, channels)
    return r, bits, d_y, dr_dy, d_weights

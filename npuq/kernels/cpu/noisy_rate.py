"""The hot loop of training on CPUs: noise, soft rounding, rate and all their gradients in one pass.

Twin of the pair in `npuq.models.noisy_rate`, which composes `npuq.paper.soft_rounded_channel`; the
formulas and their names are theirs. What differs here:

* Forward finds all derivatives, as s, z and logits are at hand; backward multiplies by them.
* A block of 256 coefficients at a time goes through everything while it lies in the cache. Each
  stage is one loop over the block, which becomes vector instructions: the network of the CDF is
  written out for its widths 3, 3, 3, so that all that belongs to one point stays in registers.
* All is made of tanh, log and division. With T = tanh(x/2): sigmoid(x) = (1 + T)/2, and
  1 - e^-x = 2 T/(1 + T) without cancellation.

Shapes: C channels, n coefficients of each; weights (C, 43) are the density's, effective ones, see
`npuq.kernels.cpu.cdf_network`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.kernels.cpu.cdf_network import (
    FAST,
    WEIGHTS,
    add_network_gradients,
    is_written_out,
    layers_of,
    network,
    packed,
    packed_backward,
)
from npuq.kernels.cpu.elementary import log_in_place, tanh
from npuq.kernels.rates import NoisyRateDerivatives, fit
from npuq.nn.nonparametric import NonparametricParams
from npuq.nn.parameters import scaled
from npuq.runtime.compile import jit
from npuq.runtime.threads import for_each_range
from npuq.runtime.twins import takes

BLOCK = 256
# Two habits below let LLVM make vectors of the loops. Indices are unsigned: else Numba compiles
# Python's rule for negative ones, and arrays seem to reach into what lies beside them. And each
# working array is an allocation of its own: rows of one array might overlap for all it knows.
_ZERO, _HALF, _ONE, _TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)
_SMALLEST_GAP = np.float32(np.finfo(np.float32).eps ** 2)
_BITS_PER_NAT = np.float32(1 / math.log(2))


@jit(fastmath=FAST, error_model="numpy", forceinline=True)
def _soft_round(y, alpha, s, slope):
    """s_alpha (Eq. 10) and its derivative, in the literal form.

    Its error is 1e-6, or two ulps of y where that is more, from |y| = 4 on; both times alpha / 2,
    about the steepest slope, where that exceeds 1.
    """
    half = np.float32(0.5 / math.tanh(0.5 * alpha))
    a = np.float32(alpha)
    for p in range(np.uintp(len(y))):
        floor = np.floor(y[p])
        e = tanh(a * (y[p] - floor - _HALF))
        s[p] = floor + _HALF + half * e
        slope[p] = a * half * (_ONE - e) * (_ONE + e)


@jit(fastmath=FAST, error_model="numpy", forceinline=True)
def _conditional_mean(z, alpha, r, slope, room):
    """r_alpha (Eq. 14) and its derivative.

    With z = n + w: r = n + log(((1 + 2w) + (1 - 2w) q) / ((1 + 2w) q + (1 - 2w))) / (2 alpha),
    q = e^-alpha.
    """
    q = np.float32(math.exp(-alpha))
    scale, per_log = np.float32(-math.expm1(-alpha) / alpha), np.float32(0.5 / alpha)
    for p in range(np.uintp(len(z))):
        w = _TWO * (z[p] - np.floor(z[p] + _HALF))
        above, below = (_ONE + w) + (_ONE - w) * q, (_ONE + w) * q + (_ONE - w)
        r[p] = above / below
        slope[p] = scale / above + scale / below
    log_in_place(r, room)
    for p in range(np.uintp(len(z))):
        r[p] = np.floor(z[p] + _HALF) + per_log * r[p]


@jit(fastmath=FAST, error_model="numpy", forceinline=True)
def _rate(m, w, product, d_m, d_w):
    """`paper.density.interval_bits` about each m, with all its gradients.

    With logits a < b of the CDF at m - 1/2 and m + 1/2, and as sigmoid(b) - sigmoid(a) is
    (1 - e^-(b - a)) sigmoid(b) sigmoid(-a), the nats are

        -log(1 - e^-(b - a)) + softplus(-b) + softplus(a),

    and softplus(x) = max(x, 0) - log((1 + |tanh(x/2)|) / 2). All logarithms are taken at once, of
    their `product`. Their gradients are sigmoid(a) + 1/(e^(b - a) - 1) with respect to a, and
    -sigmoid(-b) - 1/(e^(b - a) - 1) with respect to b.

    Returns what is linear of the sum of nats; it lacks the logarithms of `product`. d_m, and what
    is added to d_w, are gradients of nats. The 43 sums of the gradients stay in registers.
    """
    layers = layers_of(w)
    sums = layers_of(np.zeros(WEIGHTS, np.float32))
    linear = _ZERO
    for p in range(np.uintp(len(m))):
        a, kept_a = network(m[p] - _HALF, layers)
        b, kept_b = network(m[p] + _HALF, layers)
        gap = max(b - a, _SMALLEST_GAP)
        tg, ta, tb = tanh(_HALF * gap), tanh(_HALF * a), tanh(_HALF * b)
        linear += max(a, _ZERO) + max(-b, _ZERO)
        product[p] = tg / (_ONE + tg) * (_ONE + abs(ta)) * (_ONE + abs(tb)) * _HALF
        shared = _ONE / tg - _ONE if b - a > _SMALLEST_GAP else _ZERO  # 2 / (e^gap - 1)
        d_a, d_b = _HALF * (_ONE + ta + shared), -_HALF * (_ONE - tb + shared)
        d_low, sums = add_network_gradients(d_a, m[p] - _HALF, kept_a, layers, sums)
        d_high, sums = add_network_gradients(d_b, m[p] + _HALF, kept_b, layers, sums)
        d_m[p] = d_low + d_high
    H1, b1, a1, H2, b2, a2, H3, b3, a3, H4, b4 = sums
    for i, total in enumerate(H1 + b1 + a1 + H2 + b2 + a2 + H3 + b3 + a3 + H4 + (b4,)):
        d_w[i] += total
    return linear


@jit(fastmath=FAST, error_model="numpy", forceinline=True)
def _expected_rate(y, w, linear, product):
    """Nats over [y, y + 1] less those over [y - 1, y] (Eq. 17), as linear + log(product)."""
    layers = layers_of(w)
    for p in range(np.uintp(len(y))):
        l0, _ = network(y[p] - _ONE, layers)
        l1, _ = network(y[p], layers)
        l2, _ = network(y[p] + _ONE, layers)
        t01 = tanh(_HALF * max(l1 - l0, _SMALLEST_GAP))
        t12 = tanh(_HALF * max(l2 - l1, _SMALLEST_GAP))
        t0, t2 = tanh(_HALF * abs(l0)), tanh(_HALF * abs(l2))
        product[p] = t01 * (_ONE + t12) * (_ONE + t0) / (t12 * (_ONE + t01) * (_ONE + t2))
        linear[p] = l1 + max(-l2, _ZERO) - max(l0, _ZERO)


@jit(fastmath=FAST, error_model="numpy", forceinline=True)
def _room():
    return np.empty(BLOCK, np.float32)


@jit(fastmath=FAST, error_model="numpy", forceinline=True)
def _copy(a, out):
    for p in range(np.uintp(len(out))):
        out[p] = a[p]


@jit(fastmath=FAST, error_model="numpy", forceinline=True)
def _sum(a, b, out):
    for p in range(np.uintp(len(out))):
        out[p] = a[p] + b[p]


@jit(fastmath=FAST, error_model="numpy", forceinline=True)
def _scaled_product(a, b, scale, out):
    for p in range(np.uintp(len(out))):
        out[p] = a[p] * b[p] * scale


@jit(fastmath=FAST, error_model="numpy", forceinline=True)
def _total(a):
    total = _ZERO
    for p in range(np.uintp(len(a))):
        total += a[p]
    return total


@jit(fastmath=FAST, error_model="numpy")
def _channels(
    start, stop, y, u, weights, alpha, alpha_r, expected_rate, expected_distortion,
    r, bits, d_y, dr_dy, d_weights,
):  # fmt: skip
    s, s_slope, m, m_slope, r_slope = _room(), _room(), _room(), _room(), _room()
    z, product, linear, d_m, exponent = _room(), _room(), _room(), _room(), _room()
    s_slope[:] = m_slope[:] = r_slope[:] = _ONE
    for c in range(start, stop):
        for first in range(0, y.shape[1], BLOCK):
            size = min(BLOCK, y.shape[1] - first)
            last = first + size
            y_block, u_block, r_block = y[c, first:last], u[c, first:last], r[c, first:last]
            if alpha > 0:
                _soft_round(y_block, alpha, s[:size], s_slope[:size])
                _sum(s, u_block, z[:size])
                _conditional_mean(z[:size], alpha, m[:size], m_slope[:size], exponent)
            else:
                _sum(y_block, u_block, z[:size])
                _copy(z, m[:size])
            if alpha_r == alpha:
                _copy(m, r_block)
                _copy(m_slope, r_slope[:size])
            elif alpha_r > 0:
                _conditional_mean(z[:size], alpha_r, r_block, r_slope[:size], exponent)
            else:
                _copy(z, r_block)
                r_slope[:] = _ONE
            nats = _rate(m[:size], weights[c], product[:size], d_m, d_weights[c])
            log_in_place(product[:size], exponent)
            bits[c] += (nats - _total(product[:size])) * _BITS_PER_NAT
            if expected_rate:
                _expected_rate(y_block, weights[c], linear, product[:size])
                log_in_place(product[:size], exponent)
                _sum(linear, product, d_m[:size])
            else:
                _scaled_product(d_m, m_slope, _ONE, d_m[:size])
            _scaled_product(d_m, s_slope, _BITS_PER_NAT, d_y[c, first:last])
            if expected_distortion:
                _copy(s_slope, dr_dy[c, first:last])
            else:
                _scaled_product(s_slope, r_slope, _ONE, dr_dy[c, first:last])
        for i in range(weights.shape[1]):
            d_weights[c, i] *= _BITS_PER_NAT


@takes(np.float32, when=lambda y, u, density, softness: is_written_out(density) and fit(softness))
def noisy_rate_forward(
    y: Array, u: Array, density: NonparametricParams, softness: Any
) -> tuple[Array, Array, NoisyRateDerivatives]:
    """Twin of `npuq.models.noisy_rate.noisy_rate_forward`, over all channels and cores."""
    y, u = np.ascontiguousarray(y), np.ascontiguousarray(u)
    weights, (alpha, alpha_r) = packed(density), softness.alphas()
    r, d_y, dr_dy = np.empty_like(y), np.empty_like(y), np.empty_like(y)
    bits, d_weights = np.zeros(len(y)), np.zeros_like(weights)

    def run(start: int, stop: int) -> None:
        _channels(
            start, stop, y, u, weights, alpha, alpha_r, bool(softness.expected_rate),
            bool(softness.expected_distortion), r, bits, d_y, dr_dy, d_weights,
        )  # fmt: skip

    for_each_range(run, len(y))
    return r, bits, NoisyRateDerivatives(d_y, dr_dy, packed_backward(d_weights, density))


@takes(kept=NoisyRateDerivatives)
def noisy_rate_backward(
    d_r: Array, d_bits: Array, kept: NoisyRateDerivatives
) -> tuple[Array, NonparametricParams]:
    """Twin of `npuq.models.noisy_rate.noisy_rate_backward`, channel by channel and on all cores."""
    d_y, d_each = np.empty_like(kept.d_y), d_bits.astype(kept.d_y.dtype)

    def run(start: int, stop: int) -> None:
        for c in range(start, stop):  # what is made of one channel stays in the cache
            np.multiply(d_r[c], kept.dr_dy[c], out=d_y[c])
            d_y[c] += d_each[c] * kept.d_y[c]

    for_each_range(run, len(d_y))
    return d_y, scaled(kept.d_density, d_each)

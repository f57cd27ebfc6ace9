"""The rate of residuals under normal densities, each of its own scale, with all gradients.

Twin of the pair in `npuq.models.conditional_rate`: the forward function finds the derivatives too,
and keeps them; the backward function multiplies by them. A coefficient goes through everything by
itself, in float64 and by the functions of the C library: there are few of them, a 40th of the
numbers in the widest layer. With Q(x) = Phi(-x),

    p = Q(a) - Q(b),    a = (|m| - 1/2) / sigma,    b = (|m| + 1/2) / sigma,    m = r_alpha(z),

and in the tail, a > 0, both have e^(-a^2/2) divided out, as they could be 0 in any format.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.kernels.rates import ConditionalRateDerivatives, fit
from npuq.nn.normal import SMALLEST_SCALE
from npuq.runtime.compile import jit
from npuq.runtime.threads import for_each_range
from npuq.runtime.twins import takes

_SQRT_HALF, _SQRT_2_OVER_PI = math.sqrt(0.5), math.sqrt(2 / math.pi)
_LN2 = math.log(2)
_FAR = 25.0  # where the series has converged to 1e-11 of itself, and the exponential is finite


@jit(error_model="numpy", inline="always")
def _scaled_tail(x):
    """2 Q(x) e^(x^2/2) for x >= 0 (Abramowitz & Stegun 1964, 7.1.23)."""
    if x < _FAR:
        return math.erfc(x * _SQRT_HALF) * math.exp(0.5 * x * x)
    v = 1 / (x * x)
    return _SQRT_2_OVER_PI / x * (1 - v * (1 - v * (3 - v * (15 - 105 * v))))


@jit(error_model="numpy", inline="always")
def _rate(m, sigma):
    """-log p, and its derivatives with respect to m and to sigma."""
    size = abs(m)
    a, b = (size - 0.5) / sigma, (size + 0.5) / sigma
    falls = math.exp(-size / (sigma * sigma))  # from a to b, e^(-x^2/2)
    if a > 0:
        p = _scaled_tail(a) - falls * _scaled_tail(b)  # times 2 e^(a^2/2)
        nats = 0.5 * a * a + _LN2 - math.log(p)
        phi = _SQRT_2_OVER_PI / p
    else:
        p = 1 - 0.5 * (math.erfc(-a * _SQRT_HALF) + math.erfc(b * _SQRT_HALF))
        nats = -math.log(p)
        phi = 0.5 * _SQRT_2_OVER_PI * math.exp(-0.5 * a * a) / p
    d_size = phi * (1 - falls) / sigma
    d_sigma = -phi * (a - b * falls) / sigma
    return nats, math.copysign(d_size, m), d_sigma


@jit(error_model="numpy", inline="always")
def _conditional_mean(z, alpha):
    """r_alpha (Eq. 14) and its derivative, as in `npuq.kernels.cpu.noisy_rate`."""
    if alpha == 0:
        return z, 1.0
    q = math.exp(-alpha)
    n = np.floor(z + 0.5)
    w = 2 * (z - n)
    above, below = (1 + w) + (1 - w) * q, (1 + w) * q + (1 - w)
    r = n + math.log(above / below) / (2 * alpha)
    return r, (1 - q) / alpha * (1 / above + 1 / below)


@jit(error_model="numpy")
def _residuals(inputs, alphas, expected_rate, expected_distortion, outputs):
    """Rate and gradients of residuals (Eqs. 23 and 24).

    Args:
        inputs: t, u, sigma, each (n,) float32.
        alphas: softness of s and of r.
        expected_rate, expected_distortion: use Eq. (17), Eq. (20).
        outputs: r, bits, d_t, d_sigma, dr_dt, each (n,) float32: written to.
    """
    t, u, sigma = inputs
    alpha, alpha_r = alphas
    r, bits, d_t, d_sigma, dr_dt = outputs
    half = 0.5 / math.tanh(0.5 * alpha) if alpha > 0 else 0.0
    for i in range(len(t)):
        y, scale = np.float64(t[i]), max(np.float64(sigma[i]), SMALLEST_SCALE)
        s, s_slope = y, 1.0
        if alpha > 0:
            floor = np.floor(y)
            e = math.tanh(alpha * (y - floor - 0.5))
            s, s_slope = floor + 0.5 + half * e, alpha * half * (1 - e) * (1 + e)
        z = s + np.float64(u[i])
        m, m_slope = _conditional_mean(z, alpha)
        nats, d_m, d_scale = _rate(m, scale)
        d_s = d_m * m_slope
        if expected_rate:  # of the place before rounding, whatever alpha
            d_s = _rate(y + 0.5, scale)[0] - _rate(y - 0.5, scale)[0]
        received, r_slope = (m, m_slope) if alpha_r == alpha else _conditional_mean(z, alpha_r)
        r[i], bits[i], d_t[i] = received, nats / _LN2, d_s * s_slope / _LN2
        d_sigma[i] = d_scale / _LN2 if sigma[i] >= SMALLEST_SCALE or d_scale < 0 else 0.0
        dr_dt[i] = s_slope if expected_distortion else s_slope * r_slope


@takes(np.float32, when=lambda t, u, sigma, softness: fit(softness))
def conditional_rate_forward(
    t: Array, u: Array, sigma: Array, softness: Any
) -> tuple[Array, Array, ConditionalRateDerivatives]:
    """Twin of `npuq.models.conditional_rate.conditional_rate_forward`, on all cores.

    Returns:
        The members of its `ConditionalRate`.
    """
    given = tuple(np.ascontiguousarray(a).reshape(-1) for a in (t, u, sigma))
    found = tuple(np.empty(t.size, t.dtype) for _ in range(5))

    def run(start: int, stop: int) -> None:
        inputs, outputs = (tuple(a[start:stop] for a in arrays) for arrays in (given, found))
        _residuals(
            inputs, softness.alphas(), softness.expected_rate, softness.expected_distortion, outputs
        )

    for_each_range(run, t.size)
    r, bits, d_t, d_sigma, dr_dt = (a.reshape(t.shape) for a in found)
    return r, bits, ConditionalRateDerivatives(d_t, d_sigma, dr_dt)


@takes(kept=ConditionalRateDerivatives)
def conditional_rate_backward_straight_through(
    d_r: Array, d_bits: Array, kept: ConditionalRateDerivatives
) -> tuple[Array, Array]:
    """Twin of `npuq.models.conditional_rate.conditional_rate_backward_straight_through`.

    Products with what forward has found (Eqs. (23) and (24)).
    """
    return d_r * kept.dr_dt + d_bits * kept.d_t, d_bits * kept.d_sigma

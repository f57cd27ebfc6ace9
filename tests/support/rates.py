"""Both rates with all their derivatives: forward, and backward from unit gradients.

The pairs of `npuq.models` give d_y of d_r and d_bits together; here each is asked for by itself.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from npuq.backend import Array, xp_of
from npuq.models import conditional_rate as conditional
from npuq.models import noisy_rate as noisy
from npuq.models import older_rate as older
from npuq.models.noisy_rate import Softness


class NoisyRate(NamedTuple):
    """Values, then derivatives: of all bits for y, of r for y, of all bits for the density."""

    r: Array
    bits: Array
    d_y: Array
    dr_dy: Array
    d_density: Any


class ConditionalRate(NamedTuple):
    """Values, then derivatives: of the bits for t and for sigma, of r for t."""

    r: Array
    bits: Array
    d_t: Array
    d_sigma: Array
    dr_dt: Array


def noisy_rate(y: Array, u: Array, density: Any, softness: Softness) -> NoisyRate:
    """By what the arrays and the environment choose."""
    return _noisy(noisy.noisy_rate_forward, noisy.noisy_rate_backward, y, u, density, softness)


def noisy_rate_plain(y: Array, u: Array, density: Any, softness: Softness) -> NoisyRate:
    """By the plain functions, whatever the arrays."""
    forward: Any = noisy.noisy_rate_forward
    backward: Any = noisy.noisy_rate_backward
    return _noisy(forward.plain, backward.plain, y, u, density, softness)


def noisy_rate_compiled(y: Array, u: Array, density: Any, softness: Softness) -> NoisyRate:
    """By the kernels for CPUs, also where the environment asks for the plain functions."""
    from npuq.kernels.cpu import noisy_rate as cpu

    return _noisy(cpu.noisy_rate_forward, cpu.noisy_rate_backward, y, u, density, softness)


def older_rate(y: Array, u: Array, density: Any, quantizer: str, alpha: float) -> NoisyRate:
    """With one of the older quantizers."""
    forward, backward = older.older_rate_forward, older.older_rate_backward_straight_through
    return _noisy(forward, backward, y, u, density, quantizer, alpha)


def _noisy(forward: Any, backward: Any, *args: Any) -> NoisyRate:
    r, bits, kept = forward(*args)
    xp = xp_of(r)
    d_y, d_density = backward(xp.zeros_like(r), xp.ones_like(bits), kept)
    dr_dy, _ = backward(xp.ones_like(r), xp.zeros_like(bits), kept)
    return NoisyRate(r, bits, d_y, dr_dy, d_density)


def conditional_rate(t: Array, u: Array, sigma: Array, softness: Softness) -> ConditionalRate:
    """By what the arrays and the environment choose."""
    forward = conditional.conditional_rate_forward
    return _conditional(forward, conditional.conditional_rate_backward_straight_through,
                        t, u, sigma, softness)  # fmt: skip


def conditional_rate_plain(t: Array, u: Array, sigma: Array, softness: Softness) -> ConditionalRate:
    """By the plain functions, whatever the arrays."""
    forward: Any = conditional.conditional_rate_forward
    backward: Any = conditional.conditional_rate_backward_straight_through
    return _conditional(forward.plain, backward.plain, t, u, sigma, softness)


def _conditional(forward: Any, backward: Any, *args: Any) -> ConditionalRate:
    r, bits, kept = forward(*args)
    xp = xp_of(r)
    zero, one = xp.zeros_like(r), xp.ones_like(r)
    d_t, d_sigma = backward(zero, one, kept)
    dr_dt, _ = backward(one, zero, kept)
    return ConditionalRate(r, bits, d_t, d_sigma, dr_dt)

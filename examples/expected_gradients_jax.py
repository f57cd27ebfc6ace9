"""Expected gradients and stable soft rounding in JAX, to be copied; `npuq check` judges them.

    pip install . jax && python examples/expected_gradients_jax.py
    npuq check --framework jax examples/expected_gradients_jax.py

`expected` is Eqs. 17 and 20: the value is that at one draw of the noise, the gradient that of the
mean over all. Soft rounding has log forms that keep their digits in float32. `alpha` is a number of
Python's: to `jax.jit` a static argument.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

import npuq

try:
    import jax
    import jax.numpy as jnp
    from jax import Array
except ImportError as error:
    print(f"this example needs JAX (pip install jax): {error}", file=sys.stderr)
    sys.exit(2)


@jax.custom_vjp
def _with_slope(value: Array, y: Array, slope: Array) -> Array:
    """The value, whose derivative by y is the slope."""
    return value


def _forward(value: Array, y: Array, slope: Array) -> tuple[Array, Array]:
    return value, slope


def _backward(slope: Array, d: Array) -> tuple[Array, Array, Array]:
    return d, d * slope, jnp.zeros_like(slope)


_with_slope.defvjp(_forward, _backward)


def expected(f: Callable[[Array], Array], y: Array, u: Array | float) -> Array:
    """f(y + u), u uniform in [-1/2, 1/2), with d E[f(y + U)] / dy = f(y + 1/2) - f(y - 1/2).

    f acts on each entry by itself. What else it depends on has the usual gradient.
    """
    value = f(jax.lax.stop_gradient(y + u))
    slope = jax.lax.stop_gradient(f(y + 0.5) - f(y - 0.5))
    return _with_slope(value, y, slope)


def soft_round(y: Array, alpha: float) -> Array:
    """Eq. 10."""
    if alpha == 0:
        return y
    middle = jnp.floor(y) + 0.5
    return middle + jnp.tanh(alpha * (y - middle)) / (2 * math.tanh(alpha / 2))


def soft_round_inverse(z: Array, alpha: float) -> Array:
    """Its inverse: artanh by logarithms of sums of positive numbers, which cancel nothing."""
    if alpha == 0:
        return z
    n, decay = jnp.floor(z), math.exp(-alpha)
    f, g = z - n, n + 1 - z  # both exact where they are small
    if alpha < 1:  # small logarithms have few digits, and would be divided by alpha
        return n + 0.5 + jnp.arctanh(math.tanh(alpha / 2) * (f - g)) / alpha
    r = (jnp.log(f + g * decay) - jnp.log(g + f * decay)) / (2 * alpha)
    return n + 0.5 + jnp.nan_to_num(r, posinf=0.5, neginf=-0.5)  # where decay is 0


def soft_round_conditional_mean(z: Array, alpha: float) -> Array:
    """Eq. 14."""
    return soft_round_inverse(z - 0.5, alpha) + 0.5


def soft_round_conditional_mean_expected(z: Array, alpha: float) -> Array:
    """The same, with the gradient of Eq. 20."""
    return expected(lambda x: soft_round_conditional_mean(x, alpha), z, 0.0)


def logistic_bits(z: Array, loc: Array, scale: Array) -> Array:
    """Eq. 43. As c(b) - c(a) = c(b) c(-a) (1 - e^(a - b)), nothing cancels in either tail."""
    a, b = (z - 0.5 - loc) / scale, (z + 0.5 - loc) / scale
    log = jax.nn.log_sigmoid
    return -(log(b) + log(-a) + jnp.log(-jnp.expm1(-1 / scale))) / math.log(2)


def logistic_soft_rounded_bits(z: Array, loc: Array, scale: Array, alpha: float) -> Array:
    """Eq. 22: the same at r(z)."""
    return logistic_bits(soft_round_conditional_mean(z, alpha), loc, scale)


def logistic_soft_rounded_bits_expected(y: Array, loc: Array, scale: Array, alpha: float) -> Array:
    """The same at y = s(f(x)), with the gradient of Eq. 17; in training with u in place of 0."""
    return expected(lambda z: logistic_soft_rounded_bits(z, loc, scale, alpha), y, 0.0)


def main() -> None:
    from npuq.checks.report import text

    print(text(npuq.check(sys.modules[__name__], framework="jax")))


if __name__ == "__main__":
    main()

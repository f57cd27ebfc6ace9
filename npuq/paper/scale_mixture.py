"""Universal quantization with a random step: Eqs. 29 and 30, Appendix C.

    (round(y / S - U) + U) S ~ y + S U',   S > 0 and U known to both sides

For each S it is universal quantization with step S, of uniform noise on [-S/2, S/2); over a random
S the noise is a mixture of uniform densities. Every symmetric density f with one peak is such a
mixture (Khinchine 1938; Qin, Damien & Walker 2003): f is what lies under its graph, in layers. A
layer from height h to h + dh is a uniform density on where f exceeds h, with width S. Hence

    p(s) = -s/2 f'(s/2),

and a random S is the width of f at the height of a random point under the graph (Wilson 2000).

Shapes: arrays have one common shape of any rank, as in `npuq.paper.channel`; each coefficient has
an S of its own.
"""

from __future__ import annotations

from typing import Any

from npuq.backend import Array, floats, xp_of
from npuq.paper.channel import universal_dequantize, universal_quantize
from npuq.paper.density import Cdf, interval_bits
from npuq.paper.unimodal import UnimodalLaw


def gaussian_scale(rng: Any, shape: tuple[int, ...], sigma: float) -> Array:
    """S = 2 sigma sqrt(G), G ~ Gamma(3/2, rate 1/2): Gaussian noise by Eq. (29), Appendix C.

    Args:
        rng: a NumPy or CuPy random generator.
        shape: shape of the coefficients.
        sigma: standard deviation of the noise, > 0.

    Returns:
        Steps S, for which S U' ~ N(0, sigma^2).

    Raises:
        ValueError: `sigma` is not positive.

    Departure: the paper writes Gamma(3/2, 1/2); its second parameter is the rate, so that the mean
        of G is 3. NumPy takes the scale, 2.
    """
    if not sigma > 0:
        raise ValueError(f"sigma must be positive, not {sigma}")
    return 2 * sigma * rng.gamma(1.5, 2.0, shape) ** 0.5


def mixing_density(s: Array, law: UnimodalLaw) -> Array:
    """The density of S for which S U' has a given law: p(s) = -s/2 f'(s/2). Eq. (29), Appendix C.

    Args:
        s: widths; the density is 0 for negative ones.
        law: of the noise, with density f.
    """
    s = floats(s, "s")
    xp = xp_of(s)
    x = xp.maximum(s, 0) / 2
    return x * law.slope(x) * xp.exp(law.log_peak - law.depth(x))


def mixing_scale(p: Array, v: Array, law: UnimodalLaw) -> Array:
    """S from shared uniform numbers, for noise of a given law: Eq. (29), Appendix C.

    X, the p-quantile of f, and the height v f(X) are a uniform point under the graph of f; S is
    the width of the graph at that height.

    Args:
        p: uniform on (0, 1).
        v: uniform on (0, 1), of the shape of `p`.
        law: of the noise, with density f.

    Returns:
        Widths S > 0. Noise of `scale` times the size needs `scale` S.

    Raises:
        ValueError: the shapes differ, or a number is not between 0 and 1.
    """
    p = floats(p, "p")
    v = floats(v, "v", p)
    xp = xp_of(p)
    if p.shape != v.shape:
        raise ValueError(f"p and v must have one shape, not {p.shape} and {v.shape}")
    for name, uniform in (("p", p), ("v", v)):
        if not ((uniform > 0) & (uniform < 1)).all():
            raise ValueError(f"{name} must lie between 0 and 1, both excluded")
    return 2 * law.half_width(law.depth(law.quantile(p)) - xp.log(v))


def mixture_quantize(y: Array, u: Array, s: Array) -> Array:
    """What the sender transmits: k = round(y / s - u), Eq. (29), Appendix C.

    Args:
        y: coefficients.
        u: uniform noise of the shape of `y`, shared with the receiver.
        s: steps of the shape of `y`, shared as well, > 0; or one number, a fixed step.

    Returns:
        Integers, in the dtype of `y`.

    Raises:
        ValueError: the shapes differ, or a step is not positive.

    Departure: the bracket of Eq. (29) is the nearest integer (erratum E5).
    """
    y, s = _with_steps(y, s, "y")
    return universal_quantize(y / s, u)


def mixture_dequantize(k: Array, u: Array, s: Array) -> Array:
    """What the receiver reconstructs: z = (k + u) s, Eq. (29), Appendix C.

    Args:
        k: the received integers, of an integer or a float dtype.
        u: the noise that the sender used.
        s: the steps that the sender used.

    Returns:
        z ~ y + S U'.

    Raises:
        ValueError: the shapes differ, or a step is not positive.
    """
    z = universal_dequantize(k, u)
    z, s = _with_steps(z, s, "k")
    return z * s


def mixture_rate_bits(z: Array, s: Array, params: Any, *, cdf: Cdf) -> Array:
    """-log2 P(K = k | U = u, S = s) at z = (k + u) s: the cost in Eq. (30), Appendix C.

    P = c_Y(z + s/2) - c_Y(z - s/2), Eq. (43) with a step. For each s the mean over z = Y + s U' is
    I[Y, Y + s U'] by Eq. (7), so that H[K | U, S] = I[Y, Z | S], which is I[Y, (Z, S)] as S says
    nothing about Y. It exceeds I[Y, Z] by I[S, S U'] - I[S, Z]: with Gaussian noise, by 0.521 bits
    or less, and by almost as much where Y is wide.

    Args:
        z: received values.
        s: steps of the shape of `z`, > 0; or one number.
        params: parameters of the distribution of Y.
        cdf: its module, see `npuq.paper.density`.

    Returns:
        Bits per coefficient.

    Raises:
        ValueError: the shapes differ, or a step is not positive.
    """
    z, s = _with_steps(z, s, "z")
    return interval_bits(cdf.logits(z - s / 2, params), cdf.logits(z + s / 2, params))


def _with_steps(y: Array, s: Array, name: str) -> tuple[Array, Array]:
    """Both as floats; steps positive, and of the shape of `y` or one number."""
    s = floats(s, "s", floats(y, name))
    y = floats(y, name, s)
    if s.shape not in (y.shape, ()):
        raise ValueError(f"{name} and s must have one shape, not {y.shape} and {s.shape}")
    if not (s > 0).all():
        raise ValueError("s must be positive")
    return y, s

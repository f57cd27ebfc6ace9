"""log c(y) and log(c(b) - c(a)) to full precision: normal, logistic and Laplace, any tail, any gap.

Shapes: y, or lower and upper, are any shape; loc and scale broadcast against them, and results have
the joint shape. dtype follows the input.

`npuq.paper.density.interval_bits` does the same for any distribution, from the logits of both ends.
Their difference is what it lives on, which loses digits where the ends are close; here the gap is
that of the ends themselves, (b - a) / scale. Everything is even, so that the upper tail is the
lower one mirrored: with x = (y - loc) / scale and a <= b in units of the scale,

    c(b) - c(a) = c(-a) - c(-b),    and one computes where a + b >= 0.
"""

from __future__ import annotations

import numpy as np

from npuq.arguments import upstream
from npuq.backend import Array, floats, xp_of
from npuq.nn.location_scale import Params, standardize, standardize_backward, sum_to_shape
from npuq.nn.standard_laws import STANDARDS, Standard


def log_cdf(y: Array, params: Params, *, density: str = "normal") -> Array:
    """log c(y) (Johnson, Kotz & Balakrishnan 1994, ch. 13, and 1995, chs. 23 and 24).

    log(1 - c(y)) is log c(2 loc - y), as all three are even.

    Args:
        y: any shape.
        params: location and scale; the scale of "normal" is the standard deviation.
        density: "normal", "logistic" or "laplace".

    Raises:
        ValueError: another name, or a scale that is not positive (checked on the host only).

    Numerics: a few units in the last place given x = (y - loc) / scale, in both tails, until the
        result is infinite or subnormal: for the normal law from -1e154 to 37 in float64. Only above
        its mean, where the result is -e^(-x^2 / 2) / ..., it is x^2 / 2 units.

    Example:
        >>> from npuq.nn.location_scale import Params
        >>> standard = Params(np.array(0.0), np.array(1.0))
        >>> print(log_cdf(np.array([-1e6, 0.0, 9.0]), standard))
        [-5.00000000e+11 -6.93147181e-01 -1.12858841e-19]
    """
    return _named(density).log_cdf(standardize(floats(y, "y"), params))


def log_cdf_backward(
    d_log: Array, y: Array, params: Params, *, density: str = "normal"
) -> tuple[Array, Params]:
    """Gradients of `log_cdf`: p / c (Johnson, Kotz & Balakrishnan 1994, ch. 13).

    Args:
        d_log: the upstream gradient, of the shape of the result.
        y, params, density: as in `log_cdf`.

    Returns:
        d_y and d_params, of the shapes of `y` and `params`.
    """
    y = floats(y, "y")
    slope = _named(density).slope(standardize(y, params))
    return standardize_backward(upstream(d_log, "d_log", slope) * slope, y, params)


def log_interval(lower: Array, upper: Array, params: Params, *, density: str = "normal") -> Array:
    """log(c(upper) - c(lower)), the mass of an interval: Eq. (43) is that of z -+ 1/2, in bits.

    Args:
        lower, upper: of one shape, lower <= upper; they may be infinite.
        params: location and scale; the scale of "normal" is the standard deviation.
        density: "normal", "logistic" or "laplace".

    Returns:
        Nats, of the joint shape; -inf for intervals without a length.

    Raises:
        ValueError: another name; upper < lower, or a scale that is not positive (checked on the
            host only).

    Numerics: a few units in the last place of the result, or of 1 where that is larger, given the
        ends in units of the scale and their gap; for normal laws to 1e154 scales in float64, 1e19
        in float32, and for gaps as short as floats can hold. A float32 rounds an end a million
        scales out by 1/32 of a scale, which matters more than anything else.

    Example: a hundred thousandth around the mean, the upper half, and a millionth of a standard
        deviation, a million of them out.
        >>> from npuq.nn.location_scale import Params
        >>> standard = Params(np.array(0.0), np.array(1.0))
        >>> lower, upper = np.array([-5e-6, 0.0, 1e6]), np.array([5e-6, np.inf, 1e6 + 1e-6])
        >>> print(log_interval(lower, upper, standard))
        [-1.24318640e+01 -6.93147181e-01 -5.00000000e+11]
    """
    return _interval(lower, upper, params, density)[0]


def log_interval_backward(
    d_log: Array, lower: Array, upper: Array, params: Params, *, density: str = "normal"
) -> tuple[Array, Array, Params]:
    """Gradients of `log_interval`: -p(lower) and p(upper), over the mass (Eq. (43)).

    Args:
        d_log: the upstream gradient, of the shape of the result.
        lower, upper, params, density: as in `log_interval`.

    Returns:
        d_lower, d_upper and d_params, of the shapes of the arguments; 0 at infinite ends. For an
        interval without a length they are infinite.

    Numerics: those of the ends are good to a few units in the last place. Those of loc and scale
        are differences of them, for short intervals of large numbers.
    """
    _, p_lower, p_upper = _interval(lower, upper, params, density)
    xp, scale = xp_of(p_lower), params.scale
    d_log = upstream(d_log, "d_log", p_lower)
    d_lower, d_upper = -d_log * p_lower / scale, d_log * p_upper / scale
    x = [xp.where(xp.isinf(end), 0, standardize(end, params)) for end in (lower, upper)]
    d_scale = -(d_lower * x[0] + d_upper * x[1])
    return (
        sum_to_shape(d_lower, lower.shape),
        sum_to_shape(d_upper, upper.shape),
        Params(
            sum_to_shape(-(d_lower + d_upper), params.loc.shape),
            sum_to_shape(d_scale, scale.shape),
        ),
    )


def _named(density: str) -> Standard:
    if not isinstance(density, str) or density not in STANDARDS:
        raise ValueError(f"density must be one of {', '.join(STANDARDS)}, not {density!r}")
    return STANDARDS[density]


def _interval(
    lower: Array, upper: Array, params: Params, density: str
) -> tuple[Array, Array, Array]:
    """log mass, and the densities at the ends in units of the scale, over the mass."""
    lower = floats(lower, "lower")
    upper = floats(upper, "upper", lower)
    xp, standard = xp_of(lower), _named(density)
    if lower.shape != upper.shape:
        raise ValueError(f"lower and upper must have one shape: {lower.shape}, {upper.shape}")
    if xp is np and (upper < lower).any():
        raise ValueError("upper must not be below lower")
    a, b = standardize(lower, params), standardize(upper, params)
    with np.errstate(all="ignore"):  # branches that are not taken
        w = xp.where(upper == lower, 0, (upper - lower) / params.scale).astype(a.dtype)
        mirrored = a < -b
        log_mass, p_a, p_b = standard.interval(
            xp.where(mirrored, -b, a), xp.where(mirrored, -a, b), w
        )
    log_mass = xp.where(w == 0, -xp.inf, log_mass).astype(a.dtype)
    return log_mass, xp.where(mirrored, p_b, p_a), xp.where(mirrored, p_a, p_b)

"""Symmetric densities with one peak, which are mixtures of uniform ones: for Eq. 29, Appendix C.

Shapes: every function of a law is elementwise, for float arrays of any shape. Each law has its
standard form; a noise of another size is had by scaling.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from npuq.backend import Array, scipy_special_of, xp_of


class UnimodalLaw(NamedTuple):
    """A density f(x) = exp(log_peak - depth(x)) with f(-x) = f(x), falling from 0 on."""

    name: str
    variance: float
    log_peak: float  # log f(0), in nats
    depth: Callable[[Array], Array]  # log f(0) - log f(x) >= 0
    slope: Callable[[Array], Array]  # the derivative of depth
    half_width: Callable[[Array], Array]  # x >= 0 of a depth: its inverse
    quantile: Callable[[Array], Array]  # x of a probability in (0, 1)


def student_t(nu: float) -> UnimodalLaw:
    """Student's t with `nu` > 0 degrees of freedom, as noise for Eq. (29), Appendix C.

    Raises:
        ValueError: `nu` is not positive and finite.
    """
    if not 0 < nu < math.inf:
        raise ValueError(f"nu must be positive and finite, not {nu}")
    power = (nu + 1) / 2
    return UnimodalLaw(
        f"Student's t, nu = {nu:g}",
        nu / (nu - 2) if nu > 2 else math.inf,
        math.lgamma(power) - math.lgamma(nu / 2) - math.log(nu * math.pi) / 2,
        lambda x: power * xp_of(x).log1p(x**2 / nu),
        lambda x: 2 * power * x / (nu + x**2),
        lambda depth: (nu * xp_of(depth).expm1(depth / power)) ** 0.5,
        lambda p: scipy_special_of(p).stdtrit(nu, p),
    )


def _laplace_quantile(p: Array) -> Array:
    xp = xp_of(p)
    return xp.where(p < 0.5, xp.log(2 * p), -xp.log(2 * (1 - p)))


def _logistic_depth(x: Array) -> Array:
    xp = xp_of(x)
    depth = abs(x) + 2 * xp.log1p(xp.exp(-abs(x))) - math.log(4)
    return xp.maximum(depth, 0)  # rounding near x = 0


GAUSSIAN = UnimodalLaw(
    "Gaussian",
    variance=1.0,
    log_peak=-math.log(2 * math.pi) / 2,
    depth=lambda x: x**2 / 2,
    slope=lambda x: x,
    half_width=lambda depth: (2 * depth) ** 0.5,
    quantile=lambda p: scipy_special_of(p).ndtri(p),
)

LAPLACE = UnimodalLaw(
    "Laplace",
    variance=2.0,
    log_peak=-math.log(2),
    depth=lambda x: abs(x),
    slope=lambda x: xp_of(x).sign(x),
    half_width=lambda depth: depth,
    quantile=_laplace_quantile,
)

LOGISTIC = UnimodalLaw(
    "logistic",
    variance=math.pi**2 / 3,
    log_peak=-math.log(4),
    depth=_logistic_depth,  # 2 log cosh(x / 2)
    slope=lambda x: xp_of(x).tanh(x / 2),
    half_width=lambda depth: 2 * xp_of(depth).arcsinh(xp_of(depth).expm1(depth) ** 0.5),
    quantile=lambda p: scipy_special_of(p).logit(p),
)

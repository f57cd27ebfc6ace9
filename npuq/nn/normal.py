"""The normal distribution as a CDF module (Johnson, Kotz & Balakrishnan 1994, ch. 13).

Shapes: y is any shape; loc and scale broadcast against it, and the logits have the joint shape.
"""

from __future__ import annotations

import math

import numpy as np

from npuq.backend import Array, scipy_special_of, xp_of
from npuq.nn.location_scale import Params, standardize, standardize_backward

__all__ = ["SMALLEST_SCALE", "Params", "logits", "logits_backward"]

SMALLEST_SCALE = float(np.float32(0.11))
"""Of a coefficient that has a scale of its own (Eq. 23); below it the noise hides what is left of
one (Ballé et al. 2018 stop there as well).

It is 0.11 as float32 has it, so that what is at the bound in float32 is not below it in float64.
"""


def logits(y: Array, params: Params) -> Array:
    """log(Phi(x) / Phi(-x)) with x = (y - loc) / scale (Johnson, Kotz & Balakrishnan 1994, ch. 13).

    Args:
        y: any shape.
        params: broadcastable against y; scale is the standard deviation.

    Raises:
        ValueError: an entry of `params.scale` is not positive (checked on the host only).

    Numerics: a difference of log Phi, which never forms 1 - Phi, so that no digit is lost in
    either tail. The logit grows there like x^2 / 2, finite while that does not overflow (|x| < 2e19
    in float32). Around x = 0 two numbers near log 2 are subtracted: the absolute error is about one
    ulp of 1, and the relative error grows as the logit vanishes.
    """
    special = scipy_special_of(y)
    x = standardize(y, params)
    return special.log_ndtr(x) - special.log_ndtr(-x)


def logits_backward(d_logits: Array, y: Array, params: Params) -> tuple[Array, Params]:
    """Gradient of `logits`: phi(x) / (Phi(x) Phi(-x)) (Johnson, Kotz & Balakrishnan 1994, ch. 13).

    Args:
        d_logits: the upstream gradient, of the shape of the logits.
        y: as in `logits`.
        params: as in `logits`.

    Returns:
        d_y and d_params, of the shapes of `y` and `params`.

    Numerics: the hazard phi(t) / Phi(-t), t = |x|, is sqrt(2 / pi) / erfcx(t / sqrt(2)): the
    scaled function has the factor exp(-t^2 / 2) divided out already. As a difference of logarithms
    it would have no correct digit left at t = 1e6 in float32.
    """
    xp, special = xp_of(y), scipy_special_of(y)
    t = xp.abs(standardize(y, params))
    hazard = math.sqrt(2 / math.pi) / special.erfcx(t * math.sqrt(0.5))
    return standardize_backward(d_logits * hazard / special.ndtr(t), y, params)

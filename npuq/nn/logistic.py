"""The logistic distribution as a CDF module (Johnson, Kotz & Balakrishnan 1995, ch. 23).

Shapes: y is any shape; loc and scale broadcast against it, and the logits have the joint shape.
"""

from __future__ import annotations

from npuq.backend import Array
from npuq.nn.location_scale import Params, standardize, standardize_backward

__all__ = ["Params", "logits", "logits_backward"]


def logits(y: Array, params: Params) -> Array:
    """log(c(y) / (1 - c(y))) = (y - loc) / scale (Johnson, Kotz & Balakrishnan 1995, ch. 23).

    Args:
        y: any shape.
        params: broadcastable against y; the standard deviation is scale * pi / sqrt(3).

    Raises:
        ValueError: an entry of `params.scale` is not positive (checked on the host only).
    """
    return standardize(y, params)


def logits_backward(d_logits: Array, y: Array, params: Params) -> tuple[Array, Params]:
    """Gradient of `logits` (Johnson, Kotz & Balakrishnan 1995, ch. 23).

    Args:
        d_logits: the upstream gradient, of the shape of the logits.
        y: as in `logits`.
        params: as in `logits`.

    Returns:
        d_y and d_params, of the shapes of `y` and `params`.
    """
    return standardize_backward(d_logits, y, params)

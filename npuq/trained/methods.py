"""The three approaches of Sec. 5.1, called methods: one coder, which differs in its softness only.

    method       alpha, alpha_r    sent                    reconstructed coefficients
    un+q         infinity          k = round(y)            k
    un+uq        0                 k = round(y - u)        k + u
    un+uq+sr     of the model      k = round(s(y) - u)     r(k + u)

as s and r become rounding for infinite alpha and the identity for alpha = 0.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from npuq.errors import ModelError

if TYPE_CHECKING:
    from npuq.trained.model import Model

METHODS = ("un+q", "un+uq", "un+uq+sr")
"""Compressed files hold the index."""


def check_method(method: str) -> None:
    """Check that there is such a method.

    Raises:
        ModelError: there is none.
    """
    if not isinstance(method, str) or method not in METHODS:
        raise ModelError(f"method must be one of {', '.join(METHODS)}, not {method!r}")


def softness_of(model: Model, method: str) -> tuple[float, float]:
    """The softness of s and of r at test time (Sec. 5.1).

    Raises:
        ModelError: unknown method, or "un+uq+sr" with a model trained without soft rounding.
    """
    check_method(method)
    if method == "un+q":
        return math.inf, math.inf
    if method == "un+uq":
        return 0.0, 0.0
    if model.alpha == 0:
        raise ModelError(
            f"model {model.name} was trained without soft rounding; use un+q or un+uq with it"
        )
    return model.alpha, model.alpha_r

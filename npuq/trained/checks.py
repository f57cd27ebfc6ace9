"""What must hold of a model, whether its numbers come from a caller or from a file."""

from __future__ import annotations

import math

import numpy as np

from npuq.errors import ModelError
from npuq.nn.parameters import named_arrays
from npuq.trained.kind import Params
from npuq.trained.kinds import kind_of


def check_softness(alpha: float, alpha_r: float) -> None:
    """Check the softness of s and of r.

    Raises:
        ModelError: one is negative, or not a finite number, or no float32, which is how compressed
            files hold it.
    """
    for name, value in (("alpha", alpha), ("alpha_r", alpha_r)):
        with np.errstate(over="ignore"):
            held = float(np.float32(value))
        if not (math.isfinite(held) and value >= 0 and value == held):
            raise ModelError(f"{name} of a model must be a float32 number from 0 on, not {value}")


def check_lambda(lmbda: float) -> None:
    """Check the lambda that a model was trained with.

    Raises:
        ModelError: it is negative, or not a finite number.
    """
    if not (math.isfinite(lmbda) and lmbda >= 0):
        raise ModelError(f"lmbda of a model must be a number from 0 on, not {lmbda}")


def check_params(params: Params) -> None:
    """Check the arrays of a model against the shapes of its kind and widths.

    Raises:
        ModelError: they are of no kind, a shape or type differs, or a value is not finite.
    """
    kind = kind_of(params)
    try:
        arrays = named_arrays(params)
        expected = named_arrays(kind.shapes_of(arrays))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ModelError(f"the parameters are not those of a {kind.name} model: {error}") from error
    if different := sorted(expected.keys() ^ arrays.keys()):
        raise ModelError(f"{different[0]} is missing, or is no parameter of such a model")
    for name, array in arrays.items():
        if array.shape != expected[name].shape or array.dtype != np.float32:
            raise ModelError(
                f"{name} has shape {array.shape} and type {array.dtype}, "
                f"not {expected[name].shape} and float32"
            )
        if not np.all(np.isfinite(array)):
            raise ModelError(f"{name} holds values that are not finite")

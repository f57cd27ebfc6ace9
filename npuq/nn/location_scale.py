"""Standardising y to x = (y - loc) / scale, which the logistic and the normal CDF begin with.

Shapes: y is any shape; loc and scale broadcast against it, and x has the joint shape.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npuq.backend import Array, xp_of


class Params(NamedTuple):
    """The location and the scale > 0 of a distribution, in units of y."""

    loc: Array
    scale: Array


def standardize(y: Array, params: Params) -> Array:
    """x = (y - loc) / scale (Casella & Berger 2002, Sec. 3.5).

    Raises:
        ValueError: an entry of `params.scale` is not positive, or is NaN. An array on a device is
            taken on trust: looking would make the host wait for it.
        TypeError: `params` are not of these two.
    """
    if not (hasattr(params, "loc") and hasattr(params, "scale")):
        raise TypeError(f"params must have a loc and a scale, not be {type(params).__name__}")
    xp = xp_of(params.scale)
    if xp is np and not np.all(params.scale > 0):
        raise ValueError(f"params.scale must be positive; its minimum is {np.min(params.scale)}")
    return (y - params.loc) / params.scale


def standardize_backward(d_x: Array, y: Array, params: Params) -> tuple[Array, Params]:
    """Gradient of `standardize` (Casella & Berger 2002, Sec. 3.5).

    Returns:
        d_y and d_params, each summed over the axes that broadcasting had added or stretched.
    """
    x = standardize(y, params)
    d_y = d_x / params.scale
    d_scale = -d_y * x
    return sum_to_shape(d_y, y.shape), Params(
        loc=sum_to_shape(-d_y, params.loc.shape),
        scale=sum_to_shape(d_scale, params.scale.shape),
    )


def sum_to_shape(x: Array, shape: tuple[int, ...]) -> Array:
    """Sum over the axes that broadcasting from `shape` adds or stretches.

    This is the transpose of broadcasting as NumPy defines it (Harris et al. 2020), hence the way
    back of a gradient.

    Args:
        x: of a shape that `shape` broadcasts to.
        shape: the shape wanted.

    Returns:
        An array of that shape; `x` itself where it has it already.
    """
    added = x.ndim - len(shape)
    stretched = [added + i for i, n in enumerate(shape) if n == 1 and x.shape[added + i] != 1]
    axes = (*range(added), *stretched)
    return x.sum(axis=axes).reshape(shape) if axes else x

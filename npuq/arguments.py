"""What functions ask of their arguments: a wrong one is refused by its name, before any work."""

from __future__ import annotations

import operator
import reprlib
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from npuq.backend import Array, floats, xp_of


def integer(value: Any, name: str, least: int | None = None, most: int | None = None) -> int:
    """A whole number: an int, or what NumPy and others use as one; no float, not even 4.0.

    Raises:
        TypeError: it is none.
        ValueError: it is below `least` or above `most`.
    """
    asked = f"{name} must be an integer"
    if least is not None:
        asked += f" from {least} to {_power(most)}" if most is not None else f" from {least} on"
    try:
        found = operator.index(value)
    except TypeError:
        raise TypeError(f"{asked}, not {reprlib.repr(value)}") from None
    if (least is not None and found < least) or (most is not None and found > most):
        raise ValueError(f"{asked}, not {found}")
    return found


def number(value: Any, name: str) -> float:
    """A real number of Python or NumPy, as a float.

    Raises:
        TypeError: it is none: None, a string, a bool or an array.
    """
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number, not {reprlib.repr(value)}")
    return float(value)


def sizes(value: Any, name: str, axes: int | None = None) -> tuple[int, ...]:
    """The shape of an array: a sequence of whole numbers from 0 on, or one of them.

    Args:
        value: the shape.
        name: what messages call it.
        axes: how many numbers it must have.

    Raises:
        TypeError: no whole numbers.
        ValueError: too many or too few, or negative ones.
    """
    try:
        found = tuple(map(operator.index, value if np.iterable(value) else (value,)))
    except TypeError:
        raise TypeError(f"{name} must be a tuple of integers, not {reprlib.repr(value)}") from None
    if axes is not None and len(found) != axes:
        raise ValueError(f"{name} must be {axes} integers, not {len(found)}")
    if min(found, default=0) < 0:
        raise ValueError(f"{name} must not be negative: {found}")
    return found


def float_type(value: Any, name: str = "dtype") -> Any:
    """float32 or float64, however they are given; None is float64, as for NumPy.

    Raises:
        TypeError: another type, or none.
    """
    try:
        found = np.dtype(value)
    except TypeError:
        found = np.dtype(object)
    if found not in (np.float32, np.float64):
        raise TypeError(f"{name} must be float32 or float64, not {reprlib.repr(value)}")
    return found


def pair(x: Any, name_x: str, y: Any, name_y: str) -> tuple[Array, Array]:
    """Two arrays of floats of one shape; either may be one number, which stands for all.

    Raises:
        TypeError: as `npuq.backend.floats`.
        ValueError: the shapes differ.
    """
    x = floats(x, name_x)
    y = floats(y, name_y, x)
    if x.shape != y.shape and x.shape and y.shape:
        raise ValueError(f"{name_x} and {name_y} must have one shape, not {x.shape} and {y.shape}")
    return x, y


def upstream(d: Any, name: str, like: Array) -> Array:
    """The gradient that a backward pass is given, as floats of the shape of the result.

    One number stands for all. Broadcasting of anything else would give the gradient another shape
    than that of what it belongs to.

    Raises:
        TypeError: as `npuq.backend.floats`.
        ValueError: another shape.
    """
    d = floats(d, name, like)
    if d.shape not in (like.shape, ()):
        raise ValueError(f"{name} must have the shape of the result, {like.shape}, not {d.shape}")
    found: Array = xp_of(d).broadcast_to(d, like.shape)
    return found


def contents(data: Any, name: str = "data") -> bytes:
    """The bytes of a file, of whatever holds bytes.

    Raises:
        TypeError: the name of a file, say, is none.
    """
    try:
        return data if isinstance(data, bytes) else bytes(memoryview(data))
    except TypeError:
        kind = type(data).__name__
        raise TypeError(f"{name} must be bytes, the contents of a file, not {kind}") from None


def path_of(value: Any, name: str = "path") -> Path:
    """The name of a file.

    Raises:
        TypeError: a number, say, which Python would take for an open file.
    """
    try:
        return Path(value)
    except TypeError:
        raise TypeError(f"{name} must name a file, not {reprlib.repr(value)}") from None


def check_callable(value: Any, name: str) -> None:
    """Check that something can be called.

    Raises:
        TypeError: it cannot.
    """
    if not callable(value):
        raise TypeError(f"{name} must be a function, not {reprlib.repr(value)}")


def _power(most: int) -> str:
    """2**64 - 1 rather than its twenty digits."""
    bits = most.bit_length()
    return f"2**{bits} - 1" if bits > 16 and most == (1 << bits) - 1 else str(most)

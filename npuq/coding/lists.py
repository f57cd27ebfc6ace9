"""Lists of Python's integers, or arrays of NumPy's: what the loops of the coder run over.

As plain Python they take lists, in which no integer overflows; compiled, arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npuq.coding.range_coder import Integers
from npuq.runtime.compile import use_reference


def loop(function: Any) -> Any:
    """The compiled loop, or the plain one where the environment asks for it."""
    return function.py_func if use_reference() else function


def integers(array: Any) -> Integers:
    """What such a loop reads."""
    if isinstance(array, list):
        return array
    return array.tolist() if use_reference() else np.ascontiguousarray(array)


def space(size: int, dtype: Any) -> Integers:
    """Room for what it writes."""
    return [0] * size if use_reference() else np.empty(size, dtype)

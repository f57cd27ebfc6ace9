"""Arrays as code, in few letters where there is a way to do it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from npuq.backend import Array

LONG = 12
"""Arrays of more entries are written by a formula, if they have one."""


def spelled(a: Array) -> str:
    """Code for an array: one value, equal rows, runs, steps of a power of two; or all entries."""
    dtype = repr(str(a.dtype))
    if a.size > LONG:
        if (a == a.ravel()[0]).all():
            return f"np.full({a.shape}, {number(a.ravel()[0])}, {dtype})"
        if a.ndim == 2 and (a == a[0]).all():
            return f"np.tile(np.array({_nested(a[0])}, {dtype}), ({len(a)}, 1))"
        if a.ndim == 1:
            return _runs(a) or _steps(a) or f"np.array({_nested(a)}, {dtype})"
    return f"np.array({_nested(a)}, {dtype})"


def number(x: Any) -> str:
    """The shortest digits that are this number in its own precision."""
    if np.isfinite(x):
        return str(x)
    return f"{'-' * bool(x < 0)}np.{abs(x)}"


def _runs(a: Array) -> str:
    begins = np.concatenate([[0], np.flatnonzero(np.diff(a)) + 1])
    if 2 * begins.size > a.size:
        return ""
    counts = np.diff([*begins, a.size]).tolist()
    return f"np.repeat(np.array({_nested(a[begins])}, {str(a.dtype)!r}), {counts})"


def _steps(a: Array) -> str:
    step = float(a[1]) - float(a[0])
    if not step > 0 or math.frexp(step)[0] != 0.5:
        return ""
    first = float(a[0]) / step
    if not np.array_equal((np.arange(a.size) + first) * step, a):
        return ""
    return f"((np.arange({a.size}) + {number(first)}) * {step!r}).astype({str(a.dtype)!r})"


def _nested(a: Array) -> str:
    if a.ndim == 0:
        return number(a[()])
    return f"[{', '.join(_nested(part) for part in a)}]"

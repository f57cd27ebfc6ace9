"""What a law is: it asks functions at hard points, and says what should have come out.

A law yields *observations*. The same law observes a target and the named mistakes, and whichever
mistake's observations are like the target's is the likeliest (`npuq.checks.diagnosis`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Mapping
from numbers import Real
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from npuq.backend import Array
from npuq.errors import CheckError

Functions: TypeAlias = Mapping[str, Callable[..., Any]]
"""Names of the list (`npuq.checks.names`) and what answers to them: NumPy in, NumPy out."""


Dtypes: TypeAlias = tuple[str, ...]
DTYPES: Dtypes = ("float32", "float64")
"""Precisions in which a law asks that is about both, unless it is told others."""
NO_FLOATS: Dtypes = ()
"""Those of a law that asks with integers, and with probabilities, which are float64 always."""
SMALLEST_SCALE = 1e-300
"""Of tolerances, which times less are no normal numbers, and cannot be divided back."""


class Observation(NamedTuple):
    """Numbers that a function gave, beside those that it should have given."""

    name: str
    """Of the function."""
    arguments: tuple[Any, ...]
    """Arrays and numbers."""
    observed: Array
    expected: Array
    tolerance: Array
    """Absolute; the three broadcast to one shape."""
    pointwise: bool = True
    """Whether an entry of the result needs only the same entry of the arguments."""
    read: str = "{}"
    """How a line of code gets `observed` of a call, as "{}.std()"; {f} is the function's name,
    {of[NAME]} that of another one, {w} what makes an array of the target's framework."""
    since: int = 1
    """The version of golden vectors (`npuq.checks.vectors`) that it came with, where it is one."""

    def errors(self) -> Array:
        """|observed - expected|, 0 where both are the same infinity, infinite where one is NaN."""
        return distance(self.observed, self.expected)

    def wrong(self) -> Array:
        """Where the error exceeds its tolerance."""
        return np.asarray(self.errors() > self.tolerance)


class Law(NamedTuple):
    """A statement about some functions that can be seen to fail."""

    name: str
    equation: str
    needs: tuple[str, ...]
    """Functions without which it cannot be asked."""
    statement: str
    reason: str
    """Where its tolerance comes from."""
    cost: str
    """What is lost where it fails, whatever the mistake."""
    observe: Callable[..., Iterator[Observation]]
    """Of functions; and of dtypes, if it asks in more than one."""
    dtypes: Dtypes = ("float64",)
    """In which it asks; empty if it gives no floats."""
    coarse: bool = False
    """Whether a float64 is asked for digits only that a float32 has as well."""
    of_digits: bool = True
    """Whether its tolerance is about digits, which `tolerance_scale` multiplies; else it bounds
    chance, with a rate of false alarms, or is a rule, as that a dither has 256 levels."""
    scale: float = 1.0
    """What its tolerances have been multiplied by."""

    def asked_in(self, dtypes: Collection[str]) -> Law | None:
        """The same law asked in these alone; None if that cannot be."""
        kept = tuple(dtype for dtype in self.dtypes if dtype in dtypes)
        if kept == self.dtypes:
            return self
        if kept:
            return self._replace(dtypes=kept, observe=functools.partial(self.observe, dtypes=kept))
        if self.coarse:
            return self._replace(dtypes=DTYPES[:1], observe=functools.partial(_rounded, self))
        return None


def _rounded(law: Law, functions: Functions) -> Iterator[Observation]:
    """What a law sees that asks at the same points, rounded to float32."""

    def narrow(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(
            a.astype(np.float32) if isinstance(a, np.ndarray) and a.dtype == np.float64 else a
            for a in arguments
        )

    def of(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments: function(*narrow(arguments))

    for seen in law.observe({name: of(function) for name, function in functions.items()}):
        yield seen._replace(
            arguments=narrow(seen.arguments),
            read=seen.read.replace("{w}", "(lambda a: {w}(np.float32(a)))"),
        )


def scale_of(tolerance_scale: Any) -> float:
    """A factor of tolerances that makes sense.

    Raises:
        CheckError: it is no number from 1e-300 to 1.
    """
    is_number = isinstance(tolerance_scale, Real) and not isinstance(tolerance_scale, bool)
    if not is_number or not 0 < tolerance_scale <= 1 or float(tolerance_scale) < SMALLEST_SCALE:
        raise CheckError(
            f"tolerance_scale must be a number from 1e-300 to 1, not {tolerance_scale!r}: what "
            "needs more than the usual tolerance is named in expected_failed_checks"
        )
    return float(tolerance_scale)


def scaled(law: Law, scale: float) -> Law:
    """The same law with its tolerances multiplied, if they are about digits."""
    if scale == 1 or not law.of_digits:
        return law

    def observe(functions: Functions, **dtypes: Dtypes) -> Iterator[Observation]:
        for seen in law.observe(functions, **dtypes):
            yield seen._replace(tolerance=scale * seen.tolerance)

    return law._replace(observe=observe, scale=scale, reason=f"{scale:g} times ({law.reason})")


def distance(a: Array, b: Array) -> Array:
    """|a - b| in float64: 0 between equal infinities and between NaNs, infinite beside one NaN."""
    a, b = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(b, np.float64))
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.abs(a - b)
    return np.where(same, 0.0, np.where(np.isnan(difference), np.inf, difference))

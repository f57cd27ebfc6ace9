"""What laws ask of a target's functions, and in which precision these answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from npuq.checks.diagnosis import observations
from npuq.checks.law import DTYPES, Functions, Law
from npuq.checks.laws.asking import WrongResultError
from npuq.checks.patience import HungError

SEVEN_DIGITS = "the digits beyond the seventh, where float64 is asked for; nothing in float32"
REFUSED = "every check in the other precision"


class Calls:
    """The functions of a target, which write down how they are called."""

    def __init__(self, functions: Functions) -> None:
        self.functions = {name: self._remembering(name, f) for name, f in functions.items()}
        self.last: tuple[str, tuple[Any, ...]] | None = None
        """The name and the arguments of the latest call."""
        self._answers: dict[tuple[str, str], str] = {}
        """The dtype in which each function, asked in each precision, answered last; or nothing."""

    def _remembering(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.last = name, arguments
            asked = _precision(arguments)
            self._answers[name, asked] = ""
            try:
                result = function(*arguments)
            except HungError:
                del self._answers[name, asked]
                raise
            parts = result if isinstance(result, tuple) else (result,)
            if any(np.iscomplexobj(part) for part in parts):  # as a root of something negative
                raise WrongResultError(f"{name} returned complex numbers")
            self._answers[name, asked] = np.asarray(parts[0]).dtype.name
            return result

        return call

    def diagnosis(self, law: Law) -> tuple[str, str]:
        """What a failure is if the target has one precision only, and its cost; else nothing."""
        for name in [*law.needs, *(name.partition("_backward")[0] for name in law.needs)]:
            answers = {dtype: self._answers.get((name, dtype)) for dtype in DTYPES}
            if "float64" in law.dtypes and answers["float64"] == "float32":
                return "it computes in float32 only: try dtypes=('float32',)", SEVEN_DIGITS
            for refused, taken in (DTYPES, DTYPES[::-1]):
                if answers[refused] == "" and (answers[taken] or self._answered(law, taken)):
                    return f"it takes {taken} only: try dtypes=({taken!r},)", REFUSED
        return "", ""

    def _answered(self, law: Law, dtype: str) -> bool:
        """Whether a law can be asked in a precision, if it is asked in that alone."""
        part = law.asked_in((dtype,))
        return part is not None and observations(part, self.functions) is not None


def _precision(arguments: tuple[Any, ...]) -> str:
    """Of the first array of floats; nothing if there is none."""
    return next(
        (a.dtype.name for a in arguments if isinstance(a, np.ndarray) and a.dtype.name in DTYPES),
        "",
    )

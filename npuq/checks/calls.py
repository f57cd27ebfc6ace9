"""What laws ask of a target's functions, and what their precisions say of a failure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from npuq.checks.catalogue import LAWS
from npuq.checks.diagnosis import observations
from npuq.checks.law import DTYPES, Functions, Law, Observation
from npuq.checks.laws.asking import WrongResultError
from npuq.checks.patience import HungError

SEVEN_DIGITS = (
    "seven digits where sixteen were asked for: nothing in training, all of a gradient check"
)
REFUSED = "every check in the other precision"
EPSILON = float(np.finfo(np.float32).eps)


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

    def of_one_precision(self, law: Law, seen: Sequence[Observation]) -> tuple[str, str] | None:
        """A failure of a target that has one precision only, and its cost.

        Args:
            law: that failed.
            seen: what it saw; nothing, if a call raised.
        """
        for name in law.needs:
            answers = {dtype: self._answers.get((name, dtype)) for dtype in DTYPES}
            for refused, taken in (DTYPES, DTYPES[::-1]):
                if refused not in law.dtypes or answers[refused] != "":
                    continue
                if answers[taken] or self._seen(law.asked_in((taken,))) is not None:
                    return f"it takes {taken} only: try dtypes=({taken!r},)", REFUSED
            if "float64" in law.dtypes and answers["float64"] == "float32" and _rounds(seen, 0.5):
                return "it computes in float32 only: try dtypes=('float32',)", SEVEN_DIGITS
        return None

    def amid_float64(self, law: Law, seen: Sequence[Observation]) -> tuple[str, str] | None:
        """A failure by errors as of float32 where float64 was asked and came, and its cost."""
        if "float64" in law.dtypes and _rounds(seen, 0.01) and self._holds_in_float32(law):
            return "float32 somewhere amid float64", SEVEN_DIGITS
        return None

    def _holds_in_float32(self, law: Law) -> bool:
        other = f"{law.name.removesuffix('.float64')}.float32"
        part = law.asked_in(("float32",)) or next((x for x in LAWS if x.name == other), None)
        seen = self._seen(part)
        if part is None or seen is None:
            return False
        usual = [one._replace(tolerance=one.tolerance / part.scale) for one in seen]
        return not any(one.wrong().any() for one in usual)

    def _seen(self, law: Law | None) -> list[Observation] | None:
        return None if law is None else observations(law, self.functions)


def _precision(arguments: tuple[Any, ...]) -> str:
    """Of the first array of floats; nothing if there is none."""
    return next(
        (a.dtype.name for a in arguments if isinstance(a, np.ndarray) and a.dtype.name in DTYPES),
        "",
    )


def _rounds(seen: Sequence[Observation], largest: float) -> bool:
    """Whether errors are as of rounding to float32, which steep slopes make larger, up to this."""
    parts = [np.broadcast_arrays(one.errors(), abs(one.expected), one.wrong()) for one in seen]
    errors = np.concatenate([np.zeros(0), *(error[wrong] for error, _, wrong in parts)])
    values = np.concatenate([np.zeros(0), *(value[wrong] for _, value, wrong in parts)])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        no_larger, relative = errors / (1 + values) < largest, errors / values
    return bool(no_larger.all() and (relative > EPSILON / 64).any())

"""Which of the named mistakes a failure looks like.

Where the target or the mistake is wrong by a law, the target's values are compared with the
mistake's. The share of those places at which the two agree, as measured by how far the target is
from the truth, is the likeness. Many mistakes look alike to one law, as all are NaN at alpha = 0:
of those that are like the target there, the one is named that is most like it in all laws of the
same functions. If none is, the target may have more than one: then it is one that the target has
wherever that is wrong. A law of several functions is named after one, whose mistakes come first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from npuq.checks.law import Functions, Law, Observation, distance
from npuq.checks.mistakes.mistake import Mistake
from npuq.checks.ours import FUNCTIONS
from npuq.checks.patience import RAISED_BY_OTHERS

Found: TypeAlias = Mapping[str, tuple[Law, Sequence[Observation]]]

LIKE = 0.5
"""A mistake that is less like the target than this is not named."""
HAS = 0.9
"""Of the places at which a mistake is wrong: where a target that has it, among others, agrees."""
NEAR = 0.25
"""Of the target's error: how far from it a mistake may be at a place where they agree."""


def likeliest(
    law: Law,
    functions: Functions,
    found: Found,
    mistakes: Iterable[Mistake],
    known: dict[tuple[int, str], list[Observation] | None],
) -> tuple[str, str] | None:
    """The mistake that a target most likely has, and its cost; None if none is like it.

    Args:
        law: that failed.
        functions: of the target.
        found: what all laws that could be asked have seen, by their names.
        mistakes: to choose from.
        known: what laws see of mistakes in this target; more of it is found out here.
    """
    best, most = None, (False, False, 0.0)
    accused = law.name.partition(".")[0]
    for number, mistake in enumerate(mistakes):
        if not set(mistake.functions) & set(law.needs):
            continue
        changed = {**functions, **mistake.partners, **mistake.functions}
        related = [other for other, _ in found.values() if set(other.needs) & set(law.needs)]
        related = [other for other in related if set(other.needs) & set(mistake.functions)]

        def like(
            laws: Iterable[Law], number: int = number, changed: Functions = changed
        ) -> tuple[float, float]:
            pairs: list[tuple[Observation, Observation]] = []
            for one in laws:
                if (number, one.name) not in known:
                    known[number, one.name] = observations(one, changed)
                theirs = known[number, one.name]
                if theirs is None:
                    return 0.0, 0.0
                pairs += zip(found[one.name][1], theirs, strict=True)
            return likeness(pairs)

        if like([law])[0] > LIKE and _sees(law, mistake):
            both, one_sided = like(related)
            is_like = both > LIKE
            rank = accused in mistake.functions, is_like, both if is_like else one_sided
            if (is_like or one_sided > HAS) and rank > most:
                best, most = mistake, rank
    return None if best is None else (best.name, best.cost)


def _sees(law: Law, mistake: Mistake) -> bool:
    """Whether a law of several functions speaks of a mistake in one, where the others are right.

    Else a fault of theirs alone would make any such mistake look like the target.
    """
    if len(law.needs) == 1:
        return True
    seen = observations(law, {**FUNCTIONS, **mistake.partners, **mistake.functions})
    return seen is None or any(observation.wrong().any() for observation in seen)


def observations(law: Law, functions: Functions) -> list[Observation] | None:
    """All that the law sees; None if a function does not answer, the target's or a mistake's."""
    try:
        with np.errstate(all="ignore"):
            return list(law.observe(functions))
    except RAISED_BY_OTHERS:
        return None


def likeness(pairs: Iterable[tuple[Observation, Observation]]) -> tuple[float, float]:
    """From 0, nothing alike, to 1: the same values wherever either is wrong, or the second is."""
    alike, places = np.zeros(2), np.zeros(2)
    for a, b in pairs:
        error, tolerance = np.broadcast_arrays(a.errors(), np.asarray(a.tolerance, np.float64))
        wrong = (error > tolerance) | b.wrong()
        apart = distance(a.observed, b.observed)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            ratio = np.where(apart == 0, 0.0, apart / np.maximum(error, tolerance))
        agree = np.nan_to_num(ratio, nan=1.0) < NEAR
        for number, there in enumerate((wrong, wrong & b.wrong())):
            alike[number] += (agree & there).sum()
            places[number] += there.sum()
    both, one_sided = alike / np.maximum(places, 1)
    return float(both), float(one_sided)

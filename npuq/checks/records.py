"""What a check found out, as a record."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

Status: TypeAlias = Literal["pass", "fail", "absent", "expected"]


class Record(NamedTuple):
    """The outcome of one check of a target."""

    check: str
    """Its name, by which `expected_failed_checks` and the command know it."""
    equation: str
    """Of the paper, or whose definition else."""
    status: Status
    """absent: the target lacks a function that is asked; expected: failed, as was foretold."""
    statement: str
    """What should hold."""
    message: str
    """What happened, in a line."""
    error: float
    """The largest error, where it exceeds its tolerance most; not a number if nothing ran."""
    tolerance: float
    """What is allowed there."""
    reason: str
    """Where the tolerance comes from."""
    counterexample: str
    """A line of Python that shows the fault by itself; empty if there is none."""
    probably: str
    """The likeliest of the named mistakes; empty if none is like it."""
    cost: str
    """What a failure costs, in the user's terms."""


def as_dict(record: Record) -> dict[str, Any]:
    """A record for JSON, which has no infinities: a number that is not finite is null."""
    facts = record._asdict()
    return {
        name: None if isinstance(value, float) and not np.isfinite(value) else value
        for name, value in facts.items()
    }

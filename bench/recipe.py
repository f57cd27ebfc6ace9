"""What all trainings of the hyperprior model have in common: the trunk, its branches, the sweep."""

from __future__ import annotations

LMBDA = 0.0125
"""The trunk's, and the sweep's."""
RECIPE = {
    "--size": "64,192",
    "--coordinates": "frequency",
    "--learning-rate": "8e-4",
    "--batch-size": "2",
    "--skip-ratio": "10",
    "--validation-crop": "256",
}
"""Options of `npuq train`, and their values."""


def words(options: dict[str, str]) -> list[str]:
    """Options as a command has them; one without a value is a flag."""
    return [word for pair in options.items() for word in pair if word]

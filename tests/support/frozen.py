"""Numbers that other implementations computed, kept so that no framework is needed to compare.

They are made by `tests/crosscheck/make_frozen.py`, and say by which versions. A file holds
arguments as well as results: it asks nothing of a generator of random numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.exchange.compressai_names import CLASSES
from npuq.models.noisy_rate import Softness

FOLDER = Path(__file__).parents[1] / "crosscheck" / "frozen"
MADE_WITH = "made with"
SOFTNESS = {"plain": Softness(), "soft": Softness(3.0, 3.0), "apart": Softness(2.0, 5.0)}
ARCHITECTURES = tuple(sorted(CLASSES))
IMPORTED = 2, 4  # N and M of the imported models
LMBDA = 0.01
LARGEST = 10_000  # numbers; rows of more, the linear model's transforms, are products and no more


def save(name: str, groups: Mapping[str, Mapping[str, Any]], versions: Mapping[str, str]) -> None:
    """Write `groups[group][array]`, and what made them."""
    arrays = {
        f"{group}: {key}": np.asarray(array)
        for group, members in groups.items()
        for key, array in members.items()
    }
    arrays[MADE_WITH] = np.array(json.dumps(versions))
    FOLDER.mkdir(exist_ok=True)
    np.savez_compressed(FOLDER / f"{name}.npz", **arrays)  # type: ignore[arg-type]


def load(name: str) -> dict[str, dict[str, Array]]:
    """The groups of a file."""
    groups: dict[str, dict[str, Array]] = {}
    with np.load(FOLDER / f"{name}.npz") as file:
        for key in file.files:
            if key != MADE_WITH:
                group, _, member = key.partition(": ")
                groups.setdefault(group, {})[member] = file[key]
    return groups


def part(group: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    """The members of a group whose names begin so, without that beginning."""
    return {name[len(prefix) :]: a for name, a in group.items() if name.startswith(prefix)}


def some_pixels(x: Array) -> Array:
    """One in 35, in all phases of the strides of 2."""
    return x[:, ::5, ::7]


def flat(gradients: Mapping[str, Array]) -> Array:
    """All in one vector, in single precision: a file of a hundred arrays is mostly their names."""
    return np.concatenate([np.float32(a).ravel() for a in gradients.values()])

"""Files of tables that npuq did not write: each is refused by a line that names it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models import tiny_model

import npuq
from npuq.backend import Array
from npuq.errors import TablesError
from npuq.io.archive import archive_bytes, manifest_array
from npuq.latents.tables_archive import LONGEST_NAME
from npuq.latents.tables_file import tables_from_bytes, tables_to_bytes
from npuq.trained.model_file import MOST_KNOTS, save_model

LEVELS = npuq.make_scale_tables(step=0.5, alpha=4.0)
Members = dict[str, Array]


def test_a_model_is_no_file_of_tables(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    save_model(path, tiny_model())
    with pytest.raises(TablesError, match="model.npz: not tables, but a linear model"):
        npuq.load_tables(path)


def test_a_name_has_its_length() -> None:
    longest = LEVELS._replace(name="n" * LONGEST_NAME)
    assert tables_from_bytes(tables_to_bytes(longest)).name == longest.name
    with pytest.raises(TablesError, match="a name of at most 1000 characters"):
        tables_to_bytes(LEVELS._replace(name="n" * (LONGEST_NAME + 1)))


FORGED: dict[str, tuple[Callable[[Members], Any], str]] = {
    "no table": (
        lambda m: {"first": m["first"][:0], "differences": m["differences"][:0]},
        "more tables, or longer ones",
    ),
    "more levels": (lambda m: {"first": np.repeat(m["first"], 9)}, "more tables, or longer ones"),
    "long tables": (
        lambda m: {"differences": np.zeros(m["first"].size * MOST_KNOTS + 1, np.int8)},
        "or longer ones",
    ),
    "a last too few": (lambda m: {"last": m["last"][1:]}, "last has shape"),
    "another axis": (lambda m: {"thresholds": m["thresholds"][None]}, "thresholds has shape"),
    "phases too wide": (lambda m: {"phases": m["phases"].astype(np.int32)}, "of another type"),
    "thresholds falling": (lambda m: {"thresholds": m["thresholds"][::-1]}, "do not rise"),
    "thresholds equal": (lambda m: {"thresholds": 0 * m["thresholds"]}, "do not rise"),
    "thresholds no integers": (lambda m: {"thresholds": m["thresholds"] / 2}, "of another type"),
}


@pytest.mark.parametrize("name", FORGED)
def test_members_of_other_shapes_and_types_are_refused(name: str) -> None:
    """Before the hash is looked at, which whoever forges a file could make fit."""
    change, reason = FORGED[name]
    with np.load(io.BytesIO(tables_to_bytes(LEVELS))) as archive:
        members = dict(archive)
    file = io.BytesIO()
    np.savez_compressed(file, **(members | change(members)))
    with pytest.raises(TablesError, match="the tables in the stream: no tables of npuq") as caught:
        tables_from_bytes(file.getvalue())
    assert reason in str(caught.value.__cause__)


@pytest.mark.parametrize("kind", ["tables", "lattice tables"])
def test_a_newer_format_is_said_to_be_one(kind: str, tmp_path: Path) -> None:
    """Whatever else it holds, which this library cannot know."""
    manifest = manifest_array({"kind": kind, "format": 2})
    (tmp_path / "new.npz").write_bytes(archive_bytes({"manifest": manifest}, compress=True))
    load = npuq.load_tables if kind == "tables" else npuq.load_lattice_tables
    with pytest.raises(TablesError, match="new.npz: the format is newer than this library"):
        load(tmp_path / "new.npz")

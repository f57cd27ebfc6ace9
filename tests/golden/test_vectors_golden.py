"""Golden vectors: the same for ever, and readable without npuq."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden import make_vectors_golden as golden

from npuq.backend import Array
from npuq.checks import format_vectors, vectors
from npuq.checks.ours import FUNCTIONS
from npuq.cli import main
from npuq.codec.container import unpack
from npuq.coding.arithmetic import decode_band


def test_version_1_is_the_same_for_ever() -> None:
    kept = json.loads(golden.PATH.read_text())
    now = golden.summary()
    assert list(now) == list(kept)
    for name, (count, digest, number) in kept.items():
        assert now[name][:2] == [count, digest], name
        assert now[name][2] == pytest.approx(number, rel=1e-9, abs=1e-12), name


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vectors") / "new"
    assert main(["vectors", str(path)]) == 0
    return path


def number(x: Any) -> float:
    return float(x) if isinstance(x, str) else x


def read(value: Any, folder: Path) -> Any:
    """As a reader in another language would: by the page alone."""
    if isinstance(value, list):
        return tuple(number(x) for x in value)
    if not isinstance(value, dict):
        return number(value)
    if "npy" in value:
        array = np.load(folder / value["npy"], allow_pickle=False)
        assert array.dtype.name == value["dtype"] and list(array.shape) == value["shape"]
        return array
    numbers = [number(x) for x in value["data"]]
    return np.array(numbers, value["dtype"]).reshape(value["shape"])


def flat(result: Any) -> Array:
    parts = result if isinstance(result, tuple) else (result,)
    return np.concatenate([np.ravel(np.asarray(part, np.float64)) for part in parts])


def test_a_reader_finds_what_the_functions_give(folder: Path) -> None:
    index = json.loads((folder / "index.json").read_text())
    count, used = 0, {"index.json", "schema.json", *index["functions"].values()}
    for name, file in index["functions"].items():
        content = json.loads((folder / file).read_text())
        assert content["version"] == index["version"] == 1 and content["function"] == name
        for case in content["cases"]:
            count += 1
            keys = vectors.SCHEMA["$defs"]["case"]["required"]
            assert sorted(case) == sorted(keys)
            arguments = [read(value, folder) for value in case["arguments"]]
            result = read(case["result"], folder)
            tolerance = np.ravel(read(case["tolerance"], folder))
            assert vectors.known_answer(result) == pytest.approx(case["known_answer"], rel=1e-12)
            values = [*case["arguments"], case["result"], case["tolerance"]]
            used |= {value["npy"] for value in values if isinstance(value, dict) and "npy" in value}
            if name in FUNCTIONS:
                got = flat(FUNCTIONS[name](*arguments))
                due = flat(result)
                with np.errstate(invalid="ignore"):
                    error = np.where(got == due, 0, abs(got - due))
                assert (error <= tolerance).all(), case["name"]
    assert count == index["cases"] > 300
    assert used == {path.name for path in folder.iterdir()}


def test_formats_are_among_them(folder: Path) -> None:
    """The stream decodes to its symbols, and the file holds it."""
    (case,) = json.loads((folder / "encode_band.json").read_text())["cases"]
    k, n, phases, *table = (read(value, folder) for value in case["arguments"])
    stream = read(case["result"], folder).tobytes()
    tables = format_vectors.tables()
    assert all(np.array_equal(a, b) for a, b in zip(tables, table, strict=True))
    assert np.array_equal(decode_band(stream, n, phases, tables), k)
    assert abs(k).max() > 1000  # escapes
    (case,) = json.loads((folder / "pack.json").read_text())["cases"]
    header, streams = unpack(read(case["result"], folder).tobytes())
    assert header == format_vectors.HEADER and streams == [stream, b"", stream[:5]]


def test_npy_files_are_few_and_the_whole_is_small(folder: Path) -> None:
    sizes = [path.stat().st_size for path in folder.iterdir()]
    assert len(sizes) < 120 and sum(sizes) < 4_000_000


def test_numbers_that_are_not_finite_are_text(folder: Path) -> None:
    (*_, case) = json.loads((folder / "soft_round.json").read_text())["cases"]
    assert "inf" in case["arguments"] and math.isinf(read("inf", folder))


def test_a_folder_with_something_in_it_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["vectors", str(folder)]) == 2
    assert "not an empty folder" in capsys.readouterr().err
    assert main(["vectors", str(folder / "no" / "where")]) == 2
    assert "cannot make the folder" in capsys.readouterr().err

"""Where a disk is full or a process is killed: the old file stays, and nothing else is left.

A limit on the size of files stands for the full disk: the system cuts a write off in its middle,
in the same way, which a fault put into Python's functions could not show.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from npuq.errors import NpuqError
from npuq.io import atomic
from npuq.io.atomic import write_bytes_atomically, write_file_atomically

pytest.importorskip("resource", reason="the system has no limits")
ROOT = Path(__file__).parents[2]

LIMITED = """
import sys
from pathlib import Path
from resource import RLIM_INFINITY, RLIMIT_FSIZE, setrlimit
import numpy as np
from npuq.errors import NpuqError

def limited(name, write, *sizes):
    folder = Path(sys.argv[1])
    path = folder / name
    for size in sizes:
        path.write_bytes(b"the old file")
        setrlimit(RLIMIT_FSIZE, (size, RLIM_INFINITY))
        try:
            write(path)
            said = "success"
        except NpuqError as error:
            said = str(error)
        finally:
            setrlimit(RLIMIT_FSIZE, (RLIM_INFINITY, RLIM_INFINITY))
        left = {file.name: file.read_bytes()[:20] for file in folder.iterdir()}
        assert said == f"cannot write {path}: File too large", (name, size, said)
        assert left == {name: b"the old file"}, (name, size, left)
    write(path)
    assert path.stat().st_size > max(sizes)
    path.unlink()
    print(name)
"""


def in_child(script: str, folder: Path) -> list[str]:
    """The names of the files that passed; not a word on stderr."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED + script, str(folder)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests/support")))},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_pictures(tmp_path: Path) -> None:
    """Of every format that is written, cut at the beginning, in the middle and before the end."""
    pytest.importorskip("PIL")
    script = """
import io
from npuq.io.image_writing import WRITE_OPTIONS, write_image
image = np.random.default_rng(0).integers(0, 256, (150, 201, 3), dtype=np.uint8)
for suffix in sorted(WRITE_OPTIONS):
    path = Path(sys.argv[1]) / f"a{suffix}"
    write_image(path, image)
    whole = path.stat().st_size
    limited(path.name, lambda path: write_image(path, image), 0, 100, 65536, whole - 1)
"""
    from npuq.io.image_writing import WRITE_OPTIONS

    assert in_child(script, tmp_path) == [f"a{suffix}" for suffix in sorted(WRITE_OPTIONS)]


def test_models_checkpoints_tables_and_streams(tmp_path: Path) -> None:
    script = """
from models import picture, tiny_model
from npuq.io.atomic import write_bytes_atomically
from npuq.training.checkpoint import TrainingState, save_checkpoint
from npuq.cli.eval import _write_csv
from npuq.evaluation.records import Record
from npuq.trained.model_file import save_model
from npuq.nn.adam import AdamState
from npuq.training.options import TrainingOptions
from npuq.exchange.state_dict import write_state_dict
from npuq.training.records import write_history

params = {"w": np.random.default_rng(0).normal(size=(50, 50))}
state = TrainingState(1, params, AdamState(1, params, params), {}, [[1.0] * 9])
model = tiny_model()
records = [Record("a.png", "m", "un+q", None, 1, 1.0, 1.0, 1.0, 1.0, 1.0)] * 100
limited("a.npz", lambda path: save_model(path, model), 0, 100, 3000)
limited("checkpoint.npz", lambda path: save_checkpoint(path, state, TrainingOptions(), {}),
        0, 100, 30000)
limited("dict.npz", lambda path: write_state_dict(path, params), 0, 100, 10000)
limited("records.csv", lambda path: _write_csv(path, records), 0, 100, 2000)
limited("history.csv", lambda path: write_history(path, state.history * 100), 0, 100, 1500)
limited("a.npuq", lambda path: write_bytes_atomically(path, bytes(5000)), 0, 100, 4999)
"""
    assert in_child(script, tmp_path) == [
        "a.npz", "checkpoint.npz", "dict.npz", "records.csv", "history.csv", "a.npuq"
    ]  # fmt: skip


def test_state_dicts_of_pytorch(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    script = """
from npuq.exchange.state_dict import write_state_dict
params = {"w": np.random.default_rng(0).normal(size=(50, 50)), "b": np.ones(3)}
limited("a.pth", lambda path: write_state_dict(path, params), 0, 100, 10000)
"""
    assert in_child(script, tmp_path) == ["a.pth"]


def test_plots(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    script = """
from models import picture, tiny_model
from npuq.evaluation.demo import run_demo, write_comparison
from npuq.evaluation.rate_distortion import Job
image = picture()
groups = {"m": run_demo(image, [Job(tiny_model(), "un+q", None)], name="a")}
write_comparison(Path(sys.argv[1]) / "a.png", image, groups)  # finds fonts, and notes them down
for suffix in ("png", "jpg", "webp", "tif", "pdf", "svg"):
    limited(f"a.{suffix}", lambda path: write_comparison(path, image, groups), 0, 100, 5000)
"""
    assert len(in_child(script, tmp_path)) == 6


# ---- what killed processes leave


def killed_while_writing(path: Path, count: int) -> set[Path]:
    """So many processes begin to write a file, and are killed; their temporary files."""
    before = set(path.parent.iterdir())
    script = f"""
import time
from npuq.io.atomic import write_file_atomically
def write(temporary):
    temporary.write_bytes(b"half")
    print("writing", flush=True)
    time.sleep(60)
write_file_atomically({str(path)!r}, write)
"""
    command = [sys.executable, "-c", script]
    children = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) for _ in range(count)]
    try:
        for child in children:
            assert child.stdout is not None and child.stdout.readline() == b"writing\n"
        atomic._remove_abandoned.cache_clear()
        write_bytes_atomically(path.parent / "other", b"")
        (path.parent / "other").unlink()
        left = set(path.parent.iterdir()) - before
        assert [file.read_bytes() for file in left] == [b"half"] * count  # in use: not removed
    finally:
        for child in children:
            child.kill()
            child.communicate()
    return left


@pytest.mark.skipif(atomic.fcntl is None, reason="no locks that end with a process")
def test_the_next_process_removes_what_killed_ones_left(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    strangers = [tmp_path / name for name in (".npuq-0", ".npuq-notes.txt", "npuq-1-2.png")]
    strangers.append(tmp_path / f".npuq-{'f' * 8}-12-0123abcd.png")  # of another machine
    for stranger in strangers:
        stranger.write_bytes(b"someone's")
    killed = killed_while_writing(path, 3)
    assert all(file.exists() and file.suffix == ".png" for file in killed)
    atomic._remove_abandoned.cache_clear()  # which a new process has not
    write_bytes_atomically(tmp_path / "b.png", b"new")
    assert {*tmp_path.iterdir()} == {path, tmp_path / "b.png", *strangers}
    assert path.read_bytes() == b"old"


@pytest.mark.skipif(atomic.fcntl is None, reason="no locks that end with a process")
def test_a_file_that_another_process_removes_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes between the making of a temporary file and its being marked as in use."""
    real, times = atomic.fcntl.flock, []

    def flock(file: object, how: int) -> None:
        times.append(how)
        (made,) = tmp_path.iterdir()
        if len(times) == 1:  # it is being removed
            made.unlink()
            raise BlockingIOError(11, "Resource temporarily unavailable")
        if len(times) == 2:  # it has been removed
            made.unlink()
        real(file, how)

    monkeypatch.setattr(atomic.fcntl, "flock", flock)
    write_bytes_atomically(tmp_path / "a", b"new")
    assert len(times) == 3
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"new"]


def test_where_there_are_no_locks_files_are_written_and_none_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    if atomic.fcntl is not None:
        monkeypatch.setattr(atomic.fcntl, "flock", flock)
    old = tmp_path / f"{atomic._prefix()}12-0123abcd.png"
    old.write_bytes(b"half")
    write_bytes_atomically(tmp_path / "a", b"new")
    monkeypatch.setattr(atomic, "fcntl", None)
    write_bytes_atomically(tmp_path / "b", b"new")
    assert {*tmp_path.iterdir()} == {old, tmp_path / "a", tmp_path / "b"}


def test_a_folder_that_takes_no_files_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(NpuqError, match=r"cannot write .*a: Permission denied"):
        write_file_atomically(tmp_path / "a", lambda path: None)

"""Training on several ranks, by real processes of MPI: sums, resumption, failures.

Where MPI is absent all of this is skipped; `tests/unit/test_ranks.py` needs none.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mpi
import numpy as np
import pytest
from models import picture

from npuq.evaluation.landscape import landscape
from npuq.io.image_writing import write_image

pytestmark = pytest.mark.slow

SMALL = (
    "--batch-size=4", "--crop=32", "--smaller-side=40,60", "--validation-crop=32", "--seed=3",
    "--checkpoint-every=5",
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _mpi() -> None:
    if (reason := mpi.why_no_mpi()) is not None:
        pytest.skip(reason)


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    mpi.end_all()


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(3):
        write_image(folder / f"{number}.png", picture(64, 80, number))
    return folder


# ---- the same training, whatever the number of ranks


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the trainings of `tests/support/on_ranks.py` came to, by the number of ranks."""
    results = {}
    script = [sys.executable, str(mpi.ROOT / "tests" / "support" / "on_ranks.py")]
    for name, start in {
        "alone": [], "2": mpi.command(2), "4": mpi.command(4), "4 again": mpi.command(4),
    }.items():  # fmt: skip
        folder = tmp_path_factory.mktemp("ranks")
        cases = ["linear", "hyperprior"] if name == "4 again" else []
        done = mpi.run([*start, *script, str(folder), *cases])
        assert done.returncode == 0, done.stderr
        results[name] = json.loads((folder / "found.json").read_text())
        for case in results[name]:
            checkpoint = folder / case.replace(" ", "-") / "checkpoint.npz"
            results[name][case]["checkpoint"] = checkpoint.read_bytes()
    return results


@pytest.mark.parametrize("ranks", ["2", "4"])
@pytest.mark.parametrize(
    ("case", "tolerance"),
    [
        # float32 keeps 24 bits; clipping, skipping and averages act alike, or these would not hold
        ("linear", 1e-6), ("hyperprior", 1e-6),
        ("linear in float64", 1e-12), ("hyperprior in float64", 1e-12),
    ],
)  # fmt: skip
def test_losses_are_those_of_one_process(
    found: dict[str, Any], case: str, tolerance: float, ranks: str
) -> None:
    alone, together = found["alone"][case], found[ranks][case]
    assert len(alone["losses"]) >= 20
    np.testing.assert_allclose(together["losses"], alone["losses"], rtol=tolerance, atol=0)
    ours, theirs = (
        [[float(value) for value in row.split(",")] for row in found["history"].split()[1:]]
        for found in (together, alone)
    )
    np.testing.assert_allclose(ours, theirs, rtol=1.1e-5)  # six digits; validation as well
    assert together["skipped"] == alone["skipped"]
    assert (alone["skipped"] > 0) == case.startswith("hyperprior")


def test_the_same_number_of_ranks_gives_the_same_bits(found: dict[str, Any]) -> None:
    assert len(found["4 again"]) == 2
    for case, again in found["4 again"].items():
        assert again == found["4"][case]
    assert found["4"]["linear"]["parameters"] != found["2"]["linear"]["parameters"]


def test_a_random_rank_is_killed_and_the_run_goes_on_bit_for_bit(
    photographs: Path, tmp_path: Path
) -> None:
    train = ("train", photographs, tmp_path / "a", *SMALL, "--steps=100", "--name=run")
    process = mpi.started([*mpi.command(3), *mpi.npuq(*train)], tmp_path / "a" / "checkpoint.npz")
    victim = mpi.pid_of(random.randrange(3), str(tmp_path / "a"))
    mpi.os.kill(victim, signal.SIGKILL)
    process.communicate(timeout=mpi.SECONDS)
    assert process.returncode != 0
    assert not (tmp_path / "a" / "model.npz").exists()
    for folder, more in (("a", ["--resume"]), ("b", [])):
        words = ("train", photographs, tmp_path / folder, *SMALL, "--steps=100", "--name=run")
        done = mpi.run([*mpi.command(3), *mpi.npuq(*words, *more)])
        assert done.returncode == 0, done.stderr
    for name in ("model.npz", "history.csv", "checkpoint.npz"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_a_run_goes_on_with_another_number_of_ranks_and_says_so(
    photographs: Path, tmp_path: Path
) -> None:
    words = ("train", photographs, tmp_path / "a", *SMALL, "--steps=100000")
    process = mpi.started([*mpi.command(2), *mpi.npuq(*words)], tmp_path / "a" / "checkpoint.npz")
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=mpi.SECONDS)
    assert "interrupted; to go on: mpiexec -n 2 npuq train" in errors
    assert errors.count("interrupted") == 1
    told = json.loads(mpi.run(mpi.npuq("info", tmp_path / "a" / "checkpoint.npz", "--json")).stdout)
    assert told["ranks"] == [{"ranks": 2, "from_step": 0}]
    process = mpi.started(
        [*mpi.command(3), *mpi.npuq(*words, "--resume")], tmp_path / "a" / "checkpoint.npz"
    )
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=mpi.SECONDS)
    again = json.loads(
        mpi.run(mpi.npuq("info", tmp_path / "a" / "checkpoint.npz", "--json")).stdout
    )
    first, then = {"ranks": 2, "from_step": 0}, {"ranks": 3, "from_step": told["step"]}
    assert again["ranks"] in ([first], [first, then])


# ---- failures: one line, and nothing hangs or is lost


def errors_of(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if line.startswith("npuq: error")]


def test_a_rank_that_hangs_is_named_and_the_run_is_saved(photographs: Path, tmp_path: Path) -> None:
    words = ("train", photographs, tmp_path / "a", *SMALL, "--steps=100000")
    process = mpi.started(
        [*mpi.command(3), *mpi.npuq(*words)], tmp_path / "a" / "checkpoint.npz",
        NPUQ_MPI_TIMEOUT="1.5",
    )  # fmt: skip
    stopped = mpi.pid_of(1, str(tmp_path / "a"))
    mpi.os.kill(stopped, signal.SIGSTOP)
    _, errors = process.communicate(timeout=mpi.SECONDS)
    assert process.returncode != 0
    (line,) = errors_of(errors)
    assert "rank 1 on " in line and "no answer for 1.5 s" in line
    assert "step" in mpi.run(mpi.npuq("info", tmp_path / "a" / "checkpoint.npz")).stdout


def ended(pids: list[int], seconds: float = mpi.SECONDS / 2) -> bool:
    """Whether processes end soon; what is left of them is killed."""
    deadline = time.monotonic() + seconds
    while any(map(mpi.runs, pids)) and time.monotonic() < deadline:
        time.sleep(0.1)
    left = [pid for pid in pids if mpi.runs(pid)]
    for pid in left:
        mpi.os.kill(pid, signal.SIGKILL)
    return not left


@pytest.mark.parametrize("hangs", [False, True])
def test_ranks_end_where_their_launcher_has_died(
    photographs: Path, tmp_path: Path, hangs: bool
) -> None:
    """Where one hangs as well, they cannot take leave of each other, and `Abort` finds nobody."""
    words = ("train", photographs, tmp_path / "a", *SMALL, "--steps=100000")
    mpi.started(
        [*mpi.command(3), *mpi.npuq(*words)], tmp_path / "a" / "checkpoint.npz",
        NPUQ_MPI_TIMEOUT="0.5" if hangs else None,
    )  # fmt: skip
    pids = [mpi.pid_of(rank, str(tmp_path / "a")) for rank in range(3)]
    if hangs:
        mpi.os.kill(pids[1], signal.SIGSTOP)
    mpi.os.kill(mpi.parent_of(pids[0]), signal.SIGKILL)
    try:
        assert ended([pids[0], pids[2]])
    finally:
        if mpi.runs(pids[1]):
            mpi.os.kill(pids[1], signal.SIGKILL)
    told = json.loads(mpi.run(mpi.npuq("info", tmp_path / "a" / "checkpoint.npz", "--json")).stdout)
    assert told["step"] > 0


def test_ranks_end_where_their_test_is_killed(photographs: Path, tmp_path: Path) -> None:
    run, checkpoint = tmp_path / "a", tmp_path / "a" / "checkpoint.npz"
    words = [*mpi.command(2), *mpi.npuq("train", photographs, run, *SMALL, "--steps=100000")]
    code = (
        f"import mpi, pathlib; mpi.started({words!r}, pathlib.Path({str(checkpoint)!r})); "
        f"print(*(mpi.pid_of(rank, {str(run)!r}) for rank in range(2)), flush=True); "
        "mpi.os.kill(mpi.os.getpid(), 9)"
    )
    done = mpi.run([sys.executable, "-c", code])
    assert done.returncode == -signal.SIGKILL
    assert ended([int(word) for word in done.stdout.split()], seconds=10)


def two_unlike(first: list[str], second: list[str], **more: str) -> list[str]:
    """What is said where two ranks are started by unlike command lines."""
    rank = [mpi.launcher(), "-n", "1"]
    done = mpi.run([*rank, *first, ":", *rank[1:], *second], **more)
    assert done.returncode == 2, done
    assert "Traceback" not in done.stderr
    return errors_of(done.stderr)


def test_photographs_that_one_rank_does_not_see_are_named(
    photographs: Path, tmp_path: Path
) -> None:
    here, there = (
        mpi.npuq("train", folder, tmp_path / "run", *SMALL, "--steps=6")
        for folder in (photographs, tmp_path / "nowhere")
    )
    (line,) = two_unlike(here, there)
    assert "rank 1 on " in line and "nowhere: there is no such folder" in line
    (line,) = two_unlike(there, here)  # rank 0 itself
    assert line == f"npuq: error: {tmp_path}/nowhere: there is no such folder"


def test_other_photographs_are_named(photographs: Path, tmp_path: Path) -> None:
    other = tmp_path / photographs.name
    shutil.copytree(photographs, other)
    commands = [
        mpi.npuq("train", folder, tmp_path / "run", *SMALL, "--steps=6")
        for folder in (photographs, other)
    ]
    (other / "1.png").unlink()
    (line,) = two_unlike(*commands)
    assert "rank 1 on " in line and "files 2, not 3" in line
    # of the same name and size, but with other pixels
    for folder, grey in ((photographs, 0), (other, 1)):
        write_image(folder / "1.bmp", np.full((64, 80, 3), grey, np.uint8))
    write_image(other / "1.png", picture(64, 80, 1))
    (line,) = two_unlike(*commands)
    assert "rank 1 on " in line and "pixels" in line
    (photographs / "1.bmp").unlink()


def test_another_npuq_is_named(photographs: Path, tmp_path: Path) -> None:
    skipped = shutil.ignore_patterns("__pycache__", "weights")
    shutil.copytree(mpi.ROOT / "npuq", tmp_path / "npuq", ignore=skipped)
    with (tmp_path / "npuq" / "errors.py").open("a") as file:
        file.write("# another\n")
    words = mpi.npuq("train", photographs, tmp_path / "run", *SMALL, "--steps=6")
    other = ["env", f"PYTHONPATH={tmp_path}", *words]
    (line,) = two_unlike(words, other)
    assert "rank 1 on " in line and "npuq '0." in line and "sources" in line


@pytest.mark.parametrize(
    ("words", "one", "other", "said"),
    [
        (["train"], "--checkpoint-every=3", "--checkpoint-every=4", "checkpoint_every 4, not 3"),
        (["train"], "--seed=3", "--resume", "resume True, not False"),
        (["eval"], "--seed=1", "--seed=2", "seed 2, not 1"),
        (["compress"], "--quality=2", "--quality=3", "quality 3, not 2"),
    ],
)  # fmt: skip
def test_other_options_are_named(
    photographs: Path, tmp_path: Path, words: list[str], one: str, other: str, said: str
) -> None:
    places = [photographs] if words == ["eval"] else [photographs, tmp_path]
    small = SMALL if words == ["train"] else ()
    (line,) = two_unlike(*(mpi.npuq(*words, *places, *small, o) for o in (one, other)))
    assert "rank 1 on " in line and said in line
    assert not list(tmp_path.iterdir())


def test_more_ranks_than_crops_and_commands_for_one_process(
    photographs: Path, tmp_path: Path
) -> None:
    words = ("train", photographs, tmp_path / "run", *SMALL, "--batch-size=1", "--steps=6")
    done = mpi.run([*mpi.command(2), *mpi.npuq(*words)])
    (line,) = errors_of(done.stderr)
    assert done.returncode == 2 and "a batch of 1 cannot be shared by 2 ranks" in line
    done = mpi.run([*mpi.command(2), *mpi.npuq("demo", tmp_path / "demo.png")])
    (line,) = errors_of(done.stderr)
    assert done.returncode == 2 and "npuq demo runs in one process" in line


# ---- many images


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of unequal sizes, and one that is none."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(7):
        write_image(folder / f"{number}.png", picture(40 + 90 * (number % 3), 180, number))
    (folder / "3a.png").write_bytes(b"none")
    return folder


def test_eval_on_ranks_writes_what_one_process_writes(pictures: Path, tmp_path: Path) -> None:
    words = ("eval", pictures, "--quality=2", "--json", "--csv")
    alone = mpi.run(mpi.npuq(*words, tmp_path / "1.csv"))
    together = mpi.run([*mpi.command(3), *mpi.npuq(*words, tmp_path / "3.csv")])
    assert together.returncode == alone.returncode == 2
    assert len(json.loads(alone.stdout)) == 7 * 3 + 1
    assert together.stdout == alone.stdout
    assert together.stderr == alone.stderr
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "3.csv").read_bytes()


def test_ranks_leave_the_rounding_of_products_as_it_is(tmp_path: Path) -> None:
    """NumPy's BLAS rounds by its number of threads; so ranks with cores to share must not set it.

    It shows where there is more than one core, in some pixel of a larger picture.
    """
    write_image(tmp_path / "0.png", landscape(512, 768, seed=0))
    words = ("eval", tmp_path, "--quality=4", "--method=un+uq+sr", "--json")
    unset = dict.fromkeys(mpi.ONE_THREAD)
    alone = mpi.run(mpi.npuq(*words), **unset)
    together = mpi.run([*mpi.command(2), *mpi.npuq(*words)], **unset)
    assert len(json.loads(alone.stdout)) == 1
    assert together.stdout == alone.stdout


def test_compress_on_ranks_writes_the_same_files(pictures: Path, tmp_path: Path) -> None:
    for name in ("1", "3"):
        (tmp_path / name).mkdir()
    done = [
        mpi.run([*start, *mpi.npuq("compress", pictures, tmp_path / name, "--seed=5")])
        for name, start in (("1", []), ("3", mpi.command(3)))
    ]
    assert [d.returncode for d in done] == [2, 2]
    assert done[0].stdout.replace("/1/", "/3/") == done[1].stdout
    files = sorted(path.name for path in (tmp_path / "1").iterdir())
    assert files == [f"{number}.npuq" for number in range(7)]
    for name in files:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "3" / name).read_bytes()


def test_one_image_is_for_one_process(pictures: Path, tmp_path: Path) -> None:
    words = ("compress", pictures / "0.png", tmp_path / "0.npuq")
    done = mpi.run([*mpi.command(2), *mpi.npuq(*words)])
    (line,) = errors_of(done.stderr)
    assert done.returncode == 2 and "one image is compressed by one process" in line
    assert not (tmp_path / "0.npuq").exists()

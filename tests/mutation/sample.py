"""A random sample of slips, and how many of them the tests notice.

    python tests/mutation/sample.py OUT [--count 400] [--seed 1] [--only WORD]

Every slip of the rooms below is as likely as any other (`slips.py`). First the whole suite runs
once without one and writes down which test enters which function (`reach.py`): some ten minutes.
Then each slip goes into a copy of the package, and the tests that enter its function run, quick
ones first, until one fails. Where none enters it, and for compiled code, those that enter its file
do, or else those of the files that import it. OUT gets a line of JSON for each slip at once, and a
second call goes on where the first ended.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from slips import Slip, apply, shown, slips_of

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("npuq", "tests", "bench", "examples", ".github", "pyproject.toml", "README.md")
ROOMS = (
    "npuq/paper/*.py", "npuq/coding/*.py", "npuq/nn/*.py", "npuq/codec/*.py",
    "npuq/models/*_rate.py", "npuq/kernels/cpu/*rate*.py",
)  # fmt: skip
# What a slip in the sound file itself would fail: the lists of faults find their places by text.
NEVER = ("tests/mutation/", "tests/test_architecture.py", "tests/test_documentation.py")
COMPILED = "npuq/kernels/cpu/"
START = 60.0  # seconds for Python, pytest, and compiling a kernel or two
SLOWER = 10.0  # a run that takes so many times what it took without a slip hangs
Reached = dict[str, dict[str, Any]]


def draw(count: int, seed: int) -> list[tuple[str, Slip]]:
    """A sample of slips, each with its file, without replacement."""
    every = [
        (path.relative_to(ROOT).as_posix(), slip)
        for room in ROOMS
        for path in sorted(ROOT.glob(room))
        for slip in slips_of(path.read_text(encoding="utf-8"))
    ]
    return random.Random(seed).sample(every, min(count, len(every)))


def run(folder: Path, variables: dict[str, str], arguments: Iterable[str], limit: float) -> str:
    """pytest in the copy: passed, failed, hung, or what it printed where it could not run."""
    paths = {"PYTHONPATH": f"{folder}{os.pathsep}{folder / 'tests' / 'mutation'}"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "reach"]
    try:
        done = subprocess.run(
            [*command, "-c", str(folder / "pyproject.toml"), *arguments],
            cwd=folder, env=os.environ | paths | variables,
            capture_output=True, text=True, timeout=limit,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "hung"
    (folder / "pytest.log").write_text(done.stdout + done.stderr, encoding="utf-8")
    # 2 says that a test file could not even be imported: the slip broke the module. Compiled code
    # that reads beyond its arrays may end the process, which is then a signal's.
    if done.returncode in (1, 2) or done.returncode < 0:
        return "failed"
    return "passed" if done.returncode == 0 else done.stdout + done.stderr


def tests_for(file: str, slip: Slip, reached: Reached, folder: Path) -> list[str]:
    """The tests that enter the slip's function, or file, or what imports it; quick ones first."""

    def entering(wanted: set[tuple[str, int]] | None, files: set[str]) -> list[str]:
        return [
            name
            for name, entry in reached.items()
            if not name.startswith(NEVER)
            and any(
                f in files and (wanted is None or (f, line) in wanted)
                for f, line in map(tuple, entry.get("functions", []))
            )
        ]

    # Tests that enter the Python function under a compiled one are not all that it serves.
    alone = slip.function and not file.startswith(COMPILED)
    found = entering({(file, slip.function)}, {file}) if alone else []
    files = {file}
    while not found and files:
        found = entering(None, files)
        files = importers(files, folder)
    return sorted(found, key=lambda name: reached[name]["seconds"])


def importers(files: set[str], folder: Path) -> set[str]:
    """The files of the package that import one of these."""
    names = {file.removesuffix(".py").replace("/", ".") for file in files}
    words = re.compile("|".join(rf"\b{re.escape(name)}\b" for name in names))
    return {
        path.relative_to(folder).as_posix()
        for path in folder.glob("npuq/**/*.py")
        if words.search(path.read_text(encoding="utf-8"))
    } - files


def forget_compiled(file: str, folder: Path) -> None:
    """Remove what Numba compiled from this file or with its help, and nothing else."""
    files, more = set[str](), {file}
    while more:
        files |= more
        more = importers(files, folder) - files
    for name in files:
        path = folder / name
        for compiled in path.parent.glob(f"__pycache__/{path.stem}.*.nb[ic]"):
            compiled.unlink()


def judge(file: str, slip: Slip, reached: Reached, sound: Path) -> str:
    """Caught, hung (which is noticed too), survived, or unreached by any test."""
    tests = tests_for(file, slip, reached, sound)
    if not tests:
        return "unreached"
    with tempfile.TemporaryDirectory(prefix="npuq-slip-") as name:
        folder = Path(name)
        for copied in COPIED:
            copy = shutil.copytree if (sound / copied).is_dir() else shutil.copy2
            copy(sound / copied, folder / copied)
        path = folder / file
        path.write_text(apply(slip, path.read_text(encoding="utf-8")), encoding="utf-8")
        forget_compiled(file, folder)
        chosen = folder / "chosen.json"
        chosen.write_text(json.dumps(tests), encoding="utf-8")
        usual = sum(reached[test]["seconds"] for test in tests)
        files = sorted({test.partition("::")[0] for test in tests})
        outcome = run(folder, {"NPUQ_CHOSEN": str(chosen)}, files, START + SLOWER * usual)
    return {"failed": "caught", "passed": "survived"}.get(outcome, outcome)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="file of JSON lines, begun or gone on with")
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="judge those in files with this in their name")
    args = parser.parse_args()
    lines = args.out.read_text(encoding="utf-8").splitlines() if args.out.exists() else []
    records = [json.loads(line) for line in lines]
    done = {(record["file"], record["start"], record["new"]) for record in records}
    reach = args.out.with_suffix(".reach.json").resolve()
    with tempfile.TemporaryDirectory(prefix="npuq-sound-") as name:
        sound = Path(name)
        for copied in COPIED:
            copy = shutil.copytree if (ROOT / copied).is_dir() else shutil.copy2
            copy(ROOT / copied, sound / copied)
        if not reach.exists():
            outcome = run(sound, {"NPUQ_REACH": str(reach)}, ["tests"], 7200)
            if outcome != "passed":
                reach.unlink(missing_ok=True)
                log = (sound / "pytest.log").read_text(encoding="utf-8")
                print(f"the tests do not pass without a slip:\n{log}", file=sys.stderr)
                return 2
        reached = json.loads(reach.read_text(encoding="utf-8"))
        for file, slip in draw(args.count, args.seed):
            if (file, slip.start, slip.new) in done or args.only not in file:
                continue
            verdict = judge(file, slip, reached, sound)
            text = (ROOT / file).read_text(encoding="utf-8")
            record = {"verdict": verdict, "file": file, **slip._asdict(), "is": shown(slip, text)}
            with args.out.open("a", encoding="utf-8") as out:
                out.write(json.dumps(record) + "\n")
            records.append(record)
            print(f"{verdict:9.500}  {file}:{slip.line}  {record['is']}", flush=True)
    counts = Counter(record["verdict"] for record in records)
    caught = counts["caught"] + counts["hung"]
    print(f"{caught} of {len(records)} noticed ({100 * caught / max(len(records), 1):.1f} %)")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Plant faults one at a time and see whether the tests notice: `python tests/mutation [WORD ...]`.

Each fault of the lists beside this file goes into a copy of the package in a temporary folder, in
which the tests named for it run. With words, only faults whose name has one of them. Exit status 0
says that every fault was caught. Before any, the same tests have to pass without a fault.

The faults go into copies of one copy, in which the tests have run without any: what Numba compiled
then serves all faults but those of compiled code, which take some half a minute each.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from checks_mutants import CHECKS_MUTANTS
from codec_mutants import CODEC_MUTANTS
from cuda_mutants import CUDA_MUTANTS
from lattice_mutants import LATTICE_MUTANTS
from model_mutants import MODEL_MUTANTS
from mutant import Mutant
from ranks_mutants import RANKS_MUTANTS

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("npuq", "tests", "bench", "examples", "pyproject.toml", "README.md")
COMPILED = ("npuq/kernels/cpu", "npuq/coding", "npuq/nn/normal.py", "npuq/nn/winograd.py")
MUTANTS = [
    *MODEL_MUTANTS,
    *CODEC_MUTANTS,
    *CUDA_MUTANTS,
    *CHECKS_MUTANTS,
    *LATTICE_MUTANTS,
    *RANKS_MUTANTS,
]
PASSED, FAILED = 0, 1  # pytest's exit status; every other says that it could not run them


def copy_to(folder: Path, source: Path = ROOT) -> None:
    for name in COPIED:
        if (source / name).is_dir():
            shutil.copytree(source / name, folder / name)  # keeps times, which Numba's cache asks
        else:
            shutil.copy2(source / name, folder / name)


def plant(mutant: Mutant, folder: Path) -> None:
    """Change the copy, and forget what was compiled where it may have been made from this file.

    Raises:
        ValueError: the text is not there exactly once.
    """
    path = folder / mutant.file
    text = path.read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        raise ValueError(f"{mutant.name}: {mutant.file} has {text.count(mutant.old)} such places")
    path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    if mutant.file.startswith(COMPILED):
        for compiled in folder.glob("npuq/**/__pycache__/*.nb[ic]"):
            compiled.unlink()


def run_tests(folder: Path, tests: Sequence[str]) -> tuple[int, str]:
    """pytest's exit status in the copy, and its last lines."""
    environment = os.environ | {"PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return done.returncode, "\n".join(done.stdout.splitlines()[-12:] + [done.stderr])


def verdict(mutant: Mutant, sound: Path) -> str:
    """Whether the tests noticed, or could not run at all."""
    with tempfile.TemporaryDirectory(prefix="npuq-mutant-") as name:
        copy_to(Path(name), sound)
        plant(mutant, Path(name))
        status, lines = run_tests(Path(name), mutant.tests)
    if status == FAILED:
        return "caught"
    return "SURVIVED" if status == PASSED else f"BROKEN\n{lines}"


def main(words: Sequence[str]) -> int:
    chosen = [m for m in MUTANTS if not words or any(word in m.name for word in words)]
    if not chosen:
        print("no fault has such a name", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="npuq-sound-") as name:
        sound, caught = Path(name), 0
        copy_to(sound)
        status, lines = run_tests(sound, sorted({test for m in chosen for test in m.tests}))
        if status != PASSED:
            print(f"the tests do not pass without a fault:\n{lines}", file=sys.stderr)
            return 2
        for mutant in chosen:
            found = verdict(mutant, sound)
            caught += found == "caught"
            print(f"{found:8}  {mutant.name}", flush=True)
    print(f"{caught} of {len(chosen)} caught")
    return 0 if caught == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A target in a process of its own: in this interpreter, or in another, for old libraries.

Whatever a target does there, hang, crash or print, the judge goes on.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from npuq.checks import command as programs
from npuq.checks.command import EndedError, answered, started
from npuq.checks.names import DIFFERENTIABLE, EXPECTED
from npuq.checks.target import KNOWN, Target, checked
from npuq.errors import CheckError

WORKER = Path(__file__).with_name("worker.py")
OURS = "npuq.checks.ours:FUNCTIONS"
"""What "npuq" is as a target: its front door has other arguments."""


@contextlib.contextmanager
def opened(
    target: str | None,
    *,
    command: str | None = None,
    python: str | os.PathLike[str] | None = None,
    framework: str | None = None,
    timeout: float | None = None,
) -> Iterator[Target]:
    """What `npuq check` judges: the target of a name, or a program, while its process runs.

    Args:
        target: a module, something in one, or a file.
        command: in its place, a program (`npuq.checks.command.running`).
        python, framework, timeout: as in `running`.

    Raises:
        CheckError: as `running`, or both target and command are given, or neither.
    """
    if (target is None) == (command is None):
        raise CheckError("give either a target or a command")
    if command is None:
        assert target is not None
        with running(python, target, framework, timeout) as judged:
            yield judged
        return
    for option, value in (("framework", framework), ("python", python)):
        if value is not None:
            raise CheckError(f"a command speaks for itself: leave {option} out")
    with programs.running(command, timeout) as judged:
        yield judged


@contextlib.contextmanager
def running(
    python: str | os.PathLike[str] | None,
    target: str,
    framework: str | None = None,
    timeout: float | None = None,
) -> Iterator[Target]:
    """A target for `npuq.check`, while its interpreter runs.

    Args:
        python: the interpreter, which needs NumPy and what the target imports, but not npuq; None
            is this one, with the folders in which it looks for modules.
        target: as of the command line: a module, something in one, or a file.
        framework: whose arrays its functions take, as for `npuq.check`; it is looked for there.
        timeout: seconds for an answer (default: 120).

    Raises:
        CheckError: the interpreter is no path, or does not run, or the target cannot be imported
            there; or the timeout is no positive number.
    """
    if not isinstance(target, str):
        raise CheckError(f"in a process, a target is a module's name or a file's, not {target!r}")
    if python is not None and not (isinstance(python, (str, os.PathLike)) and str(python)):
        raise CheckError(f"python must be the path of an interpreter, not {python!r}")
    if framework is not None and target == "npuq":
        raise CheckError(f"npuq takes NumPy's arrays: leave the framework {framework} out")
    request = {
        "target": OURS if target == "npuq" else target,
        "framework": framework,
        "known": KNOWN,
        "differentiable": DIFFERENTIABLE,
        "with_expected_gradients": EXPECTED,
        "path": sys.path if python is None else None,
    }
    words = [sys.executable if python is None else str(python), str(WORKER)]
    with started(words, words[0], request, timeout) as ask:
        try:
            answer = ask(request)
            if "error" in answer:
                raise RuntimeError(answer["error"])
        except RuntimeError as error:
            where = "" if python is None else f"{target}, in {python}: "
            if python is None and isinstance(error, EndedError):  # which names nothing
                where = f"{target}: "
            raise CheckError(f"{where}{error}") from error
        functions = {name: functools.partial(answered, ask, name) for name in answer["names"]}
        options = f" --python {shlex.quote(str(python))}" if python is not None else ""
        options += f" --framework {framework}" if framework else ""
        yield Target(
            target,
            checked(functions, target),
            answer["imports"],
            answer["prefix"],
            own=frozenset(answer["own"]),
            again=f"npuq check {shlex.quote(target)}{options}",
            framework=framework or "",
        )

"""A target in another interpreter, so that what needs old libraries can be judged."""

from __future__ import annotations

import contextlib
import functools
import shlex
from collections.abc import Iterator
from pathlib import Path

from npuq.checks.command import answered, started
from npuq.checks.names import DIFFERENTIABLE, EXPECTED
from npuq.checks.target import KNOWN, Target, checked
from npuq.errors import CheckError

WORKER = Path(__file__).with_name("worker.py")


@contextlib.contextmanager
def running(python: str, target: str, framework: str | None = None) -> Iterator[Target]:
    """A target for `npuq.check`, while its interpreter runs.

    Args:
        python: the interpreter, which needs NumPy and what the target imports, but not npuq.
        target: as of the command line: a module, something in one, or a file.
        framework: whose arrays its functions take, as for `npuq.check`; it is looked for there.

    Raises:
        CheckError: the interpreter does not run, or the target cannot be imported there.
    """
    request = {
        "target": target,
        "framework": framework,
        "known": KNOWN,
        "differentiable": DIFFERENTIABLE,
        "with_expected_gradients": EXPECTED,
    }
    with started([python, str(WORKER)], python, request) as ask:
        try:
            answer = ask(request)
            if "error" in answer:
                raise RuntimeError(answer["error"])
        except RuntimeError as error:
            raise CheckError(f"{target}, in {python}: {error}") from error
        options = f" --framework {framework}" * bool(framework)
        yield Target(
            target,
            checked(
                {name: functools.partial(answered, ask, name) for name in answer["names"]}, target
            ),
            answer["imports"],
            answer["prefix"],
            own=frozenset(answer["own"]),
            again=f"npuq check {shlex.quote(target)} --python {shlex.quote(python)}{options}",
            framework=framework or "",
        )

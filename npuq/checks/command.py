"""Functions of a program in any language: one line of JSON asks, one answers.

    {"list": true}                                     {"names": ["soft_round", ...]}, and
                                                       "dtypes": ["float32"] if there is but one
    {"call": "soft_round", "arguments": [ARRAY, 7.0]}  {"result": ARRAY}, or a list of them,
                                                       or {"error": "what went wrong"}

on the standard input and output of the program, which ends when its input does. ARRAY is as in
`npuq.checks.wire`: float32, float64, int64 or uint8; in answers any integers.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import shlex
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from npuq.checks.law import DTYPES, Dtypes
from npuq.checks.patience import PATIENCE, seconds_of
from npuq.checks.target import Target, checked
from npuq.checks.wire import decoded, encoded
from npuq.errors import CheckError

Ask: TypeAlias = Callable[[Any], dict[str, Any]]
"""A request, and the answer to it."""


class EndedError(RuntimeError):
    """The program is no more, or was ended as it gave no answer."""


@contextlib.contextmanager
def running(command: str, timeout: float | None = None) -> Iterator[Target]:
    """A target for `npuq.check`: the functions that a program offers, while it runs.

    Args:
        command: as in a shell, but for its operators: no shell reads it.
        timeout: seconds for an answer (default: 120).

    Raises:
        CheckError: it is no text, or cannot be started, or does not answer as it should when asked
            for names, or has names that are not on the list, or no such precisions; or the timeout
            is no positive number.
    """
    if not isinstance(command, str) or not command.strip():
        raise CheckError(f"a command is text, a program and its arguments, not {command!r}")
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise CheckError(f"{command}: cannot be started: {error}") from error
    with started(words, command, timeout=timeout) as ask:
        try:
            answer = ask({"list": True})
            names = [str(name) for name in answer["names"]]
        except (RuntimeError, KeyError, TypeError) as error:
            raise CheckError(f"{command}: does not list its functions: {error}") from error
        functions = {name: functools.partial(answered, ask, name) for name in names}
        yield Target(
            command,
            checked(functions, command),
            "from npuq.checks.command import function_of",
            f"function_of({_braced(command)}, {{!r}})",
            own=frozenset(names),
            again=f"npuq check --command {shlex.quote(command)}",
            dtypes=_dtypes(answer, command),
        )


def _braced(command: str) -> str:
    """As code within what is to be formatted, where a brace is two."""
    return repr(command).replace("{", "{{").replace("}", "}}")


def _dtypes(answer: dict[str, Any], command: str) -> Dtypes:
    """The precisions in which a program says that it computes; both, if it says nothing.

    Raises:
        CheckError: these are none.
    """
    offered = answer.get("dtypes", list(DTYPES))
    if not (isinstance(offered, list) and offered and all(dtype in DTYPES for dtype in offered)):
        raise CheckError(f"{command}: its dtypes must be some of float32 and float64: {offered!r}")
    return tuple(offered)


def function_of(command: str, name: str) -> Callable[..., Any]:
    """One function of a program, which starts for each call: what counterexamples use."""

    def call(*arguments: Any) -> Any:
        with started(shlex.split(command), command) as ask:
            return answered(ask, name, *arguments)

    return call


@contextlib.contextmanager
def started(
    words: Sequence[str], description: str, greeting: Any = None, timeout: float | None = None
) -> Iterator[Ask]:
    """A process, and what asks it; it is ended at the end.

    One that ended in a call, or gave no answer in time, has failed that call, and is started again
    for the next one; it hears the greeting first: what comes after is not accused.

    Raises:
        CheckError: it cannot be started, or the timeout is no positive number of seconds.
    """
    seconds = seconds_of(timeout)
    processes = [_process(words, description)]

    def ask(request: Any) -> dict[str, Any]:
        if not processes:
            processes.append(_process(words, description))
            if greeting is not None:
                _ask(processes[0], greeting, max(seconds, PATIENCE))
        try:
            # what is no call waits for imports
            patience = seconds if "call" in request else max(seconds, PATIENCE)
            return _ask(processes[0], request, patience)
        except EndedError:
            _end(processes.pop())
            raise

    try:
        yield ask
    except BaseException as error:
        if not isinstance(error, Exception):  # as Ctrl-C, which a session of its own does not hear
            for process in processes:
                _kill(process)
        raise
    finally:
        for process in processes:
            _end(process)


def _process(words: Sequence[str], description: str) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
            errors="replace", start_new_session=True,
        )  # fmt: skip
    except (OSError, ValueError, IndexError) as error:
        raise CheckError(f"{description}: cannot be started: {error}") from error


def _end(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None and process.stdout is not None
    process.stdout.close()
    with contextlib.suppress(OSError):  # what it did not read any more
        process.stdin.close()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        _kill(process)
        process.wait()


def _kill(process: subprocess.Popen[str]) -> None:
    """End it, and what it has started, which holds our pipe where the program is a wrapper."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


def answered(ask: Ask, name: str, *arguments: Any) -> Any:
    """The result of a call, as arrays.

    Raises:
        RuntimeError: the answer is an error, or none.
        ValueError: it holds no array.
    """
    answer = ask({"call": name, "arguments": encoded(arguments)})
    if "result" not in answer:
        raise RuntimeError(answer.get("error", "the program gave neither result nor error"))
    return decoded(answer["result"])


def _ask(process: subprocess.Popen[str], request: Any, seconds: float) -> dict[str, Any]:
    assert process.stdin is not None and process.stdout is not None
    hung = threading.Event()

    def give_up() -> None:
        hung.set()
        _kill(process)

    timer = threading.Timer(seconds, give_up)
    timer.start()
    try:
        process.stdin.write(_in_json(request) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
    except OSError:
        line = ""
    finally:
        timer.cancel()
    if not line:
        if hung.is_set():
            raise EndedError(f"the program gave no answer within {seconds:g} seconds")
        raise EndedError("the program has ended")
    try:
        answer = json.loads(line)
    except ValueError as error:
        raise RuntimeError(f"the program answered no JSON but {line[:60]!r}") from error
    if not isinstance(answer, dict):
        raise RuntimeError(f"the program answered no object but {line[:60]!r}")
    return answer


def _in_json(request: Any) -> str:
    """JSON has no infinity, and strict readers end at one; 1e999 is one to most of them."""
    return re.sub(r"(?<=, )Infinity(?=[,\]])", "1e999", json.dumps(request))

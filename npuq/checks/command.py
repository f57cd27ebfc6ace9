"""Functions of a program in any language: one line of JSON asks, one answers.

    {"list": true}                                     {"names": ["soft_round", ...]}
    {"call": "soft_round", "arguments": [ARRAY, 7.0]}  {"result": ARRAY}, or a list of them,
                                                       or {"error": "what went wrong"}

on the standard input and output of the program, which ends when its input does. An ARRAY is
{"dtype": "float64", "shape": [2, 3], "data": "..."}: its numbers little-endian, the last axis
fastest, in base64. dtypes are float32, float64, and in answers integers such as int32 too.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import functools
import json
import shlex
import subprocess
from collections.abc import Callable, Iterator
from typing import IO, Any

import numpy as np

from npuq.backend import Array
from npuq.errors import CheckError


@contextlib.contextmanager
def functions_of(command: str) -> Iterator[dict[str, Callable[..., Any]]]:
    """The functions that a program offers, while it runs: a target for `npuq.check`.

    Args:
        command: as in a shell, but for its operators: no shell reads it.

    Raises:
        CheckError: it cannot be started, or does not answer as it should when asked for names.
    """
    try:
        process = subprocess.Popen(
            shlex.split(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )
    except (OSError, ValueError, IndexError) as error:
        raise CheckError(f"{command}: cannot be started: {error}") from error
    assert process.stdin is not None and process.stdout is not None
    ask = functools.partial(_ask, process.stdin, process.stdout)
    try:
        try:
            names = [str(name) for name in ask({"list": True})["names"]]
        except (RuntimeError, KeyError, TypeError) as error:
            raise CheckError(f"{command}: does not list its functions: {error}") from error
        yield {name: functools.partial(_call, ask, name) for name in names}
    finally:
        process.stdout.close()
        with contextlib.suppress(OSError):  # what it did not read any more
            process.stdin.close()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def encoded(value: Any) -> Any:
    """An array, or several, for JSON; numbers are themselves."""
    if isinstance(value, (tuple, list)):
        return [encoded(part) for part in value]
    if not isinstance(value, np.ndarray):
        return value
    data = np.ascontiguousarray(value, value.dtype.newbyteorder("<")).tobytes()
    text = base64.b64encode(data).decode("ascii")
    return {"dtype": value.dtype.name, "shape": list(value.shape), "data": text}


def decoded(value: Any) -> Any:
    """The way back.

    Raises:
        ValueError: an array whose parts do not fit each other.
    """
    if isinstance(value, list):
        return tuple(decoded(part) for part in value)
    if not isinstance(value, dict):
        return value
    try:
        data = base64.b64decode(value["data"], validate=True)
        array: Array = np.frombuffer(data, np.dtype(value["dtype"]).newbyteorder("<"))
        return array.reshape(value["shape"]).astype(value["dtype"])
    except (KeyError, TypeError, binascii.Error) as error:
        raise ValueError(f"the program's answer holds no array: {error!r}") from error


def _call(ask: Callable[[Any], Any], name: str, *arguments: Any) -> Any:
    answer = ask({"call": name, "arguments": encoded(arguments)})
    if "result" not in answer:
        raise RuntimeError(answer.get("error", "the program gave neither result nor error"))
    return decoded(answer["result"])


def _ask(requests: IO[str], answers: IO[str], request: Any) -> dict[str, Any]:
    try:
        requests.write(json.dumps(request) + "\n")
        requests.flush()
        line = answers.readline()
    except OSError as error:
        raise RuntimeError("the program has ended") from error
    if not line:
        raise RuntimeError("the program has ended")
    try:
        answer = json.loads(line)
    except ValueError as error:
        raise RuntimeError(f"the program answered no JSON but {line[:60]!r}") from error
    if not isinstance(answer, dict):
        raise RuntimeError(f"the program answered no object but {line[:60]!r}")
    return answer

"""`-` in the place of a file: standard input and standard output, as bytes.

Where the result goes to standard output, what is said about it goes to stderr.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from npuq.cli.common import check_not_same, say
from npuq.errors import NpuqError

STREAM = "-"


def input_name(path: str) -> str:
    """What messages call an input."""
    return "standard input" if path == STREAM else path


def read_input(path: str) -> bytes:
    """The contents of a file, or all of standard input.

    Raises:
        NpuqError: standard input is closed, or a keyboard.
        OSError: the file cannot be read.
    """
    if path != STREAM:
        return Path(path).read_bytes()
    if sys.stdin is None:
        raise NpuqError("standard input is closed; name a file, or pipe one into it")
    if sys.stdin.isatty():
        raise NpuqError("standard input is a terminal; name a file, or pipe one into it")
    return sys.stdin.buffer.read()


def check_output(path: str, *sources: str | None) -> None:
    """Check, before any work is done, that a result can be written.

    Raises:
        NpuqError: standard output is closed, or a screen; the file cannot be written, or is one of
            the sources.
    """
    from npuq.io.atomic import check_can_write

    if path != STREAM:
        check_can_write(path)
        check_not_same(path, *(source for source in sources if source != STREAM))
    elif sys.stdout is None:
        raise NpuqError("standard output is closed; name a file, or pipe it into something")
    elif sys.stdout.isatty():
        raise NpuqError("standard output is a terminal; name a file, or pipe it into something")


def write_output(path: str, *data: bytes | memoryview) -> None:
    """Write a result: a file whole or not at all, standard output as far as somebody reads it.

    Raises:
        NpuqError: the file cannot be written.
        OSError: standard output cannot be.
    """
    from npuq.io.atomic import write_bytes_atomically

    if path != STREAM:
        write_bytes_atomically(path, *data)
        return
    try:
        for part in data:
            rest = memoryview(part)
            while rest:  # without a buffer (PYTHONUNBUFFERED), one write may take a part of it
                rest = rest[sys.stdout.buffer.write(rest) :]
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        # what could not be written would be tried again, and fail again, when the program ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        error.filename = "standard output"
        raise


def say_written(path: str, facts: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    """Say what was written, see `say`; on stderr where the result went to standard output."""
    if path == STREAM:
        say("standard output", facts, text, as_json=as_json, file=sys.stderr)
    else:
        say(path, facts, text, as_json=as_json)

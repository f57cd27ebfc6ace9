"""The command line, `npuq` and `python -m npuq`: one file per command.

What a user can mend ends in one line on stderr and exit status 2, an interruption in status 130 (by
SIGTERM or SIGHUP in 128 and its number). Never holds what a Python program would want to call.
Decides neither bytes nor bits of training.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import npuq
from npuq.cli.common import FAILURE, print_error, print_line
from npuq.cli.signals import Terminated, ending_as_on_ctrl_c
from npuq.errors import NpuqError
from npuq.ranks.launch import ending_together, joined, share_blas, world

COMMANDS = {
    "compress": "compress an image into a file",
    "decompress": "get the image out of a file",
    "info": "say what a compressed file, a model or a checkpoint is",
    "train": "train a model on a folder of photographs, or on procedural pictures",
    "plot": "draw the course of a training",
    "eval": "measure rate and distortion of real files",
    "demo": "compress a picture by the three approaches of the paper and show what comes out",
    "check": "judge an implementation of yours by the paper's laws",
    "vectors": "write golden vectors of every function, for any language",
    "import-compressai": "turn a state dict of CompressAI into a model file",
    "export-compressai": "turn a model file into a state dict of CompressAI",
}
"""The commands, each the name of a module in this folder with `add_arguments` and `run`; there,
dashes are underscores."""

ON_SEVERAL_RANKS = ("train", "eval", "compress")
"""Commands that `mpiexec -n N` divides among N processes, see `npuq.ranks`."""

OF_ONE_RANK = (
    "images", "file", "data", "out", "model", "init_model", "branch_from", "csv", "plot",
    "published", "compressai", "tables", "arguments", "run",
)  # fmt: skip
"""What may be called otherwise on each rank, or is for rank 0 alone; of what is read there, the
commands compare the contents. All other arguments must be alike."""

INTERRUPTED, BROKEN_PIPE = 130, 141


class UsageError(NpuqError):
    """The command line is not what the command takes."""


class Parser(argparse.ArgumentParser):
    """Reports wrong usage as an error like any other, in one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: arguments without the program's name; by default those of the process.

    Returns:
        The exit status. As usual with argparse, --help and --version raise SystemExit(0).
    """
    # Before anything imports NumPy: OpenBLAS's threads otherwise spin for some 100 ms after each
    # product, waiting for the next one, and take the cores from our own kernels. 4 is OpenBLAS's
    # shortest wait; "passive" is the same wish for a BLAS that runs on OpenMP.
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")

    if sys.stderr is None:  # closed before the program began: errors would go to stdout
        sys.stderr = os.fdopen(_descriptor_of_nowhere(), "w")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that it cannot encode is no failure
            stream.reconfigure(errors="backslashreplace")

    arguments = list(sys.argv[1:] if argv is None else argv)
    with ending_together():
        return _status_of(arguments)


def _status_of(arguments: list[str]) -> int:
    """Run one command; what a user can mend is one line, and a status."""
    try:
        with ending_as_on_ctrl_c():
            return _run(arguments)
    except BrokenPipeError:  # whoever read our output has enough, as in `npuq eval ... | head`
        # the interpreter flushes stdout once more at its end, and must not fail then
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except Terminated as signal:
        return _fail(f"ended by {signal}", signal.status)
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    except NpuqError as error:
        return _fail(str(error))
    except MemoryError as error:
        return _fail(f"out of memory: {error}" if str(error) else "out of memory")
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        return _fail(f"{where}{error.strerror or error}")


def _run(arguments: list[str]) -> int:
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            if "train" in arguments[:1]:
                share_blas()
            ranks = world()
            args = _parser(arguments).parse_args(arguments)
            args.arguments = arguments  # as they were typed, for messages
            if ranks.size > 1 and args.command not in ON_SEVERAL_RANKS:
                raise NpuqError(
                    f"npuq {args.command} runs in one process; start it without mpiexec"
                )
            _check_environment()
            if ranks.size > 1:
                given = vars(args).items()
                ranks.check_alike({name: v for name, v in given if name not in OF_ONE_RANK})
            return int(args.run(args) or 0)
    finally:
        if sys.stdout is not None:  # None if it was closed before the program began
            sys.stdout.flush()  # a broken pipe must show here, not when the interpreter ends


def _parser(arguments: Sequence[str]) -> Parser:
    """The parser, with the options of the command that is asked for.

    Those of the others are left out: collecting them would import half of the library.
    """
    parser = Parser(
        prog="npuq",
        description="Universally Quantized Neural Compression: lossy image files by the two "
        "models of the paper, by three approaches.",
        epilog="npuq COMMAND --help tells the options of a command. What goes wrong is one line on "
        "stderr, with exit status 2.",
    )
    parser.add_argument("--version", action="version", version=f"npuq {npuq.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, dest="command")
    wanted = next((word for word in arguments if not word.startswith("-")), None)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(
            name, help=summary, description=summary[0].upper() + summary[1:] + "."
        )
        if name == wanted:
            module = import_module(f"npuq.cli.{name.replace('-', '_')}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser


def _descriptor_of_nowhere() -> int:
    """Number 2 if that is free: else the next file would get it, and what C libraries complain."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) < 2:
        pass  # stdin and stdout are closed as well
    return descriptor


def _check_environment() -> None:
    """Refuse settings that cannot be, before any work is done."""
    from npuq.runtime.compile import use_reference
    from npuq.runtime.threads import thread_count

    use_reference()
    thread_count()


def _fail(message: str, status: int = FAILURE) -> int:
    if joined().fail(message):
        print_error(message)
    return status


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print_line(f"npuq: warning: {message}")

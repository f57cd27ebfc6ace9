"""Laws of an entropy coder: what goes in comes out, in as many bits as the information has.

Shapes: n symbols, 0 to m - 1, each with a row of m probabilities of its own; a message is bytes.
Where escapes are coded, a row has one entry more: the probability of all other integers together.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from npuq.backend import Array
from npuq.checks.law import NO_FLOATS, Functions, Law, Observation
from npuq.checks.laws.asking import WrongResultError, beside

EQUATION = "Sec. 3.2"
EXACTLY = "0: integers"
LEAST = 1e-5
"""Of every probability: what tables of 16 bits can nearly hold."""


class Message(NamedTuple):
    """Symbols, their probabilities, and code that makes both."""

    symbols: Array
    probabilities: Array
    code: str


def random_message(seed: int, count: int, size: int, sharpness: float) -> Message:
    """Symbols drawn by rows that are drawn themselves, from Dirichlet's distribution."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(size, sharpness), count) + LEAST
    p /= p.sum(1, keepdims=True)
    symbols = (rng.random((count, 1)) > p.cumsum(1)[:, :-1]).sum(1)
    code = (
        f"(r := np.random.default_rng({seed}), p := r.dirichlet(np.full({size}, {sharpness}), "
        f"{count}) + {LEAST}, p := p / p.sum(1, keepdims=True), "
        f"(r.random(({count}, 1)) > p.cumsum(1)[:, :-1]).sum(1))[:1:-1]"
    )
    return Message(symbols, p, code)


def run(row: tuple[float, ...], symbols: tuple[int, ...], counts: tuple[int, ...]) -> Message:
    """Runs of equal symbols, all with one row."""
    message = np.repeat(symbols, counts)
    p = np.tile(row, (sum(counts), 1))
    code = f"(np.repeat({symbols}, {counts}), np.tile({row}, ({sum(counts)}, 1)))"
    return Message(message, p, code)


def _with_escape(message: Message) -> Message:
    """The same symbols, where one more entry of each row is a thousandth for all others."""
    symbols, p, code = message
    p = np.append(p * 0.999, np.full((len(symbols), 1), 1e-3), 1)
    more = "(s, np.append(p * 0.999, np.full((len(s), 1), 1e-3), 1))"
    return Message(symbols, p, f"(lambda s, p: {more})(*{code})")


def encoded(functions: Functions, name: str, message: Message) -> Array:
    """The bytes of a message.

    Raises:
        WrongResultError: the answer is something else.
    """
    data = np.asarray(functions[name](message.symbols, message.probabilities))
    if data.dtype != np.uint8 or data.ndim != 1:
        raise WrongResultError(f"{name} returned {data.dtype} of shape {data.shape}, not bytes")
    return data


def _decoded(functions: Functions, kind: str, message: Message) -> Observation:
    """The symbols that come back; a line of code makes the way there and back."""
    data = encoded(functions, f"{kind}_encode", message)
    back = functions[f"{kind}_decode"](data, message.probabilities)
    read = (
        f"(lambda s, p: {{f}}({{w}}(np.frombuffer(bytes({{of[{kind}_encode]}}({{w}}(s), {{w}}(p))),"
        f" np.uint8)), {{w}}(p)))(*{message.code})"
    )
    return beside(f"{kind}_decode", (), back, message.symbols, 0, pointwise=False, read=read)


def _round_trip(functions: Functions) -> Iterator[Observation]:
    for seed, count, size, sharpness in ((51, 3, 3, 1.0), (52, 40, 5, 0.3), (53, 2000, 24, 0.5),
                                         (54, 2000, 2, 0.1), (55, 300, 200, 0.05)):  # fmt: skip
        yield _decoded(functions, "entropy", random_message(seed, count, size, sharpness))


def _short(functions: Functions) -> Iterator[Observation]:
    """No symbol; and one: the first, one between, the last."""
    row = (0.125, 0.5, 0.25, 0.125)
    yield _decoded(functions, "entropy", run(row, (0,), (0,)))
    for symbol in (0, 1, 3):
        yield _decoded(functions, "entropy", run(row, (symbol,), (1,)))


def _carries(functions: Functions) -> Iterator[Observation]:
    """The middle of three, again and again: whether 0111... or 1000... is open until it ends.

    A quarter, a half, a quarter: no rounding closes it before. Steps of three meet every position
    in a byte and in a word.
    """
    row = (0.25, 0.5, 0.25)
    for length in range(1, 200, 3):
        for last in (0, 2):
            counts = (length, 1, 2, 1, 3)
            yield _decoded(functions, "entropy", run(row, (1, last, 0, 2, 1), counts))


def _certain(functions: Functions) -> Iterator[Observation]:
    """Thousands of symbols that say nothing, then the rare ones, which own 2^-14 each."""
    row = (2.0**-14, 1 - 2.0**-13, 2.0**-14)
    for rare in (0, 2):
        yield _decoded(functions, "entropy", run(row, (1, rare, 1, 2), (3000, 1, 500, 2)))


def _length(functions: Functions, *, kind: str) -> Iterator[Observation]:
    for message in (
        random_message(56, 4000, 128, 0.02),
        random_message(57, 4000, 12, 1.0),
        run((2.0**-14, 1 - 2.0**-13, 2.0**-14), (1, 2, 1), (3000, 1, 1000)),
        run((0.5, 0.5), (0,), (0,)),
    ):
        if kind == "escape":
            message = _with_escape(message)
        data = encoded(functions, f"{kind}_encode", message)
        own = message.probabilities[np.arange(len(message.symbols)), message.symbols]
        information = -np.log2(own).sum()
        tolerance = 64 + 0.005 * len(own) + 1e-3 * information
        read = f"(lambda s, p: 8 * len({{f}}({{w}}(s), {{w}}(p))))(*{message.code})"
        yield beside(f"{kind}_encode", (), 8 * data.size, information, tolerance,
                     pointwise=False, read=read)  # fmt: skip


def _escapes(functions: Functions, *, far: tuple[int, ...]) -> Iterator[Observation]:
    row = (0.3, 0.5, 0.15, 0.05)
    for outside in far:
        yield _decoded(functions, "escape", run(row, (1, outside, 0, 2), (2, 1, 1, 1)))
    others = tuple(far)
    yield _decoded(functions, "escape", run(row, others, (1,) * len(others)))


def _laws() -> Iterator[Law]:
    both = "entropy_decode", "entropy_encode"
    for name, needs, statement, cost, observe in (
        ("round_trip", both, "the symbols that were encoded", "files that cannot be read",
         _round_trip),
        ("short", both, "messages of no symbol and of one", "empty bands, and images of a pixel",
         _short),
        ("carries", both, "long runs in which a carry stays open, for any length and either end",
         "one file in some thousands that cannot be read", _carries),
        ("certain", both, "thousands of nearly certain symbols, and rare ones after them",
         "files of smooth images that cannot be read", _certain),
    ):  # fmt: skip
        yield Law(f"entropy_decode.{name}", EQUATION, needs, statement, EXACTLY, cost, observe,
                  NO_FLOATS)  # fmt: skip
    for kind in ("entropy", "escape"):
        yield Law(
            f"{kind}_encode.length", EQUATION, (f"{kind}_encode",),
            "as many bits as the information, the sum of -log2 p",
            "64 bits a message, 0.005 a symbol and a thousandth: what tables of 16 bits cost",
            "longer files than the density promises",
            functools.partial(_length, kind=kind), NO_FLOATS,
        )  # fmt: skip
    both = "escape_decode", "escape_encode"
    far: dict[str, Any] = {"near": (3, -1, 4, -2, 10, -9), "far": (2**15, -(2**15) - 1, 10**6)}
    for name, values in far.items():
        yield Law(
            f"escape_decode.{name}", EQUATION, both,
            f"integers outside of the table: {', '.join(map(str, values))}", EXACTLY,
            "a coefficient that comes back as another, or a file that cannot be read",
            functools.partial(_escapes, far=values), NO_FLOATS,
        )  # fmt: skip


LAWS = tuple(_laws())

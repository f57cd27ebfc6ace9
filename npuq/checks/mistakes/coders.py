"""Mistakes of entropy coders: a small range coder of bytes, and what can be wrong with it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.checks.mistakes.mistake import Mistake

FULL, LOW = 1 << 32, 1 << 24


def cumulative(probabilities: Array, bits: int) -> list[list[int]]:
    """Each row as integers from 0 to at most 2^bits, each symbol with at least 1."""
    m = probabilities.shape[1]
    own = np.floor(np.asarray(probabilities, np.float64) * ((1 << bits) - m)).astype(np.int64) + 1
    rows = np.cumsum(own, 1).tolist()
    return [[0, *row] for row in rows]


def carry_all(out: bytearray) -> None:
    """Add one to what is written, through all bytes of 255."""
    place = len(out) - 1
    while place >= 0 and out[place] == 255:
        out[place] = 0
        place -= 1
    if place >= 0:
        out[place] += 1


def carry_one(out: bytearray) -> None:
    """Add one to the last byte only."""
    if out:
        out[-1] = (out[-1] + 1) % 256


def no_carry(out: bytearray) -> None:
    """Forget it."""


def encode(
    symbols: Array, probabilities: Array, *, bits: int = 16,
    carry: Callable[[bytearray], None] = carry_all, end: int = 4,
) -> Array:  # fmt: skip
    """A range coder; with these arguments it is right, but for the length of its messages."""
    low, span, out = 0, FULL, bytearray()
    for symbol, row in zip(symbols.tolist(), cumulative(probabilities, bits), strict=True):
        r = span >> bits
        low += r * row[symbol]
        span = r * (row[symbol + 1] - row[symbol])
        if low >= FULL:
            low -= FULL
            carry(out)
        while span <= LOW:
            out.append(low >> 24)
            low, span = (low << 8) % FULL, span << 8
    out += low.to_bytes(4, "big")[:end]
    return np.frombuffer(bytes(out), np.uint8)


def decode(data: Array, probabilities: Array, *, bits: int = 16) -> Array:
    """Its inverse."""
    rest = iter(data.tolist())
    code, span, symbols = 0, FULL, []
    for _ in range(4):
        code = code << 8 | next(rest, 0)
    for row in cumulative(probabilities, bits):
        r = span >> bits
        target = min(code // r, row[-1] - 1)
        symbol = next(s for s in range(len(row) - 1) if row[s + 1] > target)
        code, span = code - r * row[symbol], r * (row[symbol + 1] - row[symbol])
        while span <= LOW:
            code, span = (code << 8 | next(rest, 0)) % (1 << 40), span << 8
        symbols.append(symbol)
    return np.array(symbols, np.int64)


def backwards(data: Array, probabilities: Array) -> Array:
    """A stack, of which what was pushed last comes first."""
    return decode(data, probabilities)[::-1]


def without_renormalization(data: Array, probabilities: Array) -> Array:
    """A decoder that reads its first four bytes only."""
    return decode(data[:4], probabilities)


def escape_encode(symbols: Array, probabilities: Array, *, wide: int = 64, **wrong: Any) -> Array:
    """Escapes as the last symbol of their rows, then `wide` bits of the integer, as plain bytes."""
    m = probabilities.shape[1] - 1
    inside = (symbols >= 0) & (symbols < m)
    body = encode(np.where(inside, symbols, m), probabilities, **wrong)
    raw = symbols[~inside].astype(f"<i{wide // 8}")
    head = np.array([len(raw)], "<u4")
    return np.concatenate([head.view(np.uint8), raw.view(np.uint8), body])


def escape_decode(data: Array, probabilities: Array, *, wide: int = 64, **wrong: Any) -> Array:
    """Its inverse."""
    m = probabilities.shape[1] - 1
    data = np.ascontiguousarray(data)
    end = 4 + int(data[:4].view("<u4")[0]) * wide // 8
    symbols = decode(data[end:], probabilities, **wrong)
    raw = np.ascontiguousarray(data[4:end]).view(f"<i{wide // 8}")
    symbols[symbols == m] = raw
    return symbols


def clipped(symbols: Array, probabilities: Array) -> Array:
    """Integers outside of the table as its first or last."""
    return escape_encode(np.clip(symbols, 0, probabilities.shape[1] - 2), probabilities)


def unsigned(data: Array, probabilities: Array) -> Array:
    """Escapes without their sign."""
    symbols = escape_decode(data, probabilities)
    return np.asarray(abs(symbols))


def _encoders(kind: str, encoder: Any, decoder: Any) -> list[dict[str, Callable[..., Any]]]:
    """A wrong encoder, and what goes with it."""
    return [{f"{kind}_encode": encoder}, {f"{kind}_decode": decoder}]


def _decoders(kind: str, encoder: Any, decoder: Any) -> list[dict[str, Callable[..., Any]]]:
    """What goes with a wrong decoder, in the order of a mistake."""
    return _encoders(kind, encoder, decoder)[::-1]


_LOST = "a file in some hundreds that cannot be read: where a carry meets a run of 255"

MISTAKES = (
    Mistake(
        "12-bit tables",
        "0.046 bit a symbol where 128 symbols have a row and one of them nearly all of it",
        "entropy_encode.length",
        *_encoders("entropy", functools.partial(encode, bits=12),
                   functools.partial(decode, bits=12)),
    ),
    Mistake(
        "12-bit tables",
        "0.046 bit a symbol where 128 symbols have a row and one of them nearly all of it",
        "escape_encode.length",
        *_encoders("escape", functools.partial(escape_encode, bits=12),
              functools.partial(escape_decode, bits=12)),
    ),
    Mistake(
        "a carry that is dropped", "a file in some dozens that cannot be read",
        "entropy_decode.carries",
        *_encoders("entropy", functools.partial(encode, carry=no_carry), decode),
    ),
    Mistake(
        "a carry that stops at the next byte", _LOST, "entropy_decode.carries",
        *_encoders("entropy", functools.partial(encode, carry=carry_one), decode),
    ),
    Mistake(
        "the last bytes are not written", "the last symbols of a file are others",
        "entropy_decode.short", *_encoders("entropy", functools.partial(encode, end=0), decode),
    ),
    Mistake(
        "symbols that come back in reverse", "a picture upside down, or noise",
        "entropy_decode.round_trip", *_decoders("entropy", encode, backwards),
    ),
    Mistake(
        "a decoder that stops reading", "files of which the first symbols are right",
        "entropy_decode.round_trip", *_decoders("entropy", encode, without_renormalization),
    ),
    Mistake(
        "integers outside of the table clipped to it",
        "outliers are lost: the distortion of a few coefficients without a bound",
        "escape_decode.near", *_encoders("escape", clipped, escape_decode),
    ),
    Mistake(
        "escapes without their sign", "outliers come back on the other side",
        "escape_decode.near", *_decoders("escape", escape_encode, unsigned),
    ),
    Mistake(
        "escapes of 16 bits", "coefficients beyond 32767 come back as others",
        "escape_decode.far",
        *_encoders("escape", functools.partial(escape_encode, wide=16),
              functools.partial(escape_decode, wide=16)),
    ),
)  # fmt: skip

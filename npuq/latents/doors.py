"""What `encode_array`, `encode_vectors` and their decoders do alike, before any coding."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from npuq.arguments import contents, integer
from npuq.backend import Array, check_unmasked
from npuq.coding.dither import content_seed
from npuq.coding.philox import WORD_MASK
from npuq.errors import InvalidArrayError, WrongTablesError
from npuq.latents.container import DTYPES, Parts, check_shape, unpack

LARGEST = 1 << 28
"""Coefficients of an array that a decoder makes unless it is told otherwise."""


class Decoded(NamedTuple):
    """What the decoders return: the array, and where in the data its stream ends."""

    array: Array
    end: int


class HasHash(Protocol):
    """Tables of either kind."""

    @property
    def hash(self) -> bytes:
        """Of all that decoding depends on."""


AnyTables = TypeVar("AnyTables", bound=HasHash)


def codable_array(y: Any) -> Array:
    """y as an array of a type and a shape that can be coded.

    Raises:
        InvalidArrayError: it is not of floats, or has too many axes or too long ones.
        TypeError: it is masked.
    """
    check_unmasked(y, "y")
    y = np.asarray(y)
    if y.dtype.name not in DTYPES:  # the name says nothing of the byte order
        raise InvalidArrayError(f"y must be an array of {', '.join(DTYPES)}, not {y.dtype}")
    check_shape(y.shape)
    return y


def channel_axis_of(channels: int, axis: int, shape: tuple[int, ...]) -> int | None:
    """The axis of the channels, counted from the front; None where all have one density.

    Raises:
        InvalidArrayError: there is no such axis, or it has another number of channels.
        TypeError: it is no integer.
    """
    axis = integer(axis, "axis")
    if channels == 1:
        return None
    if not -len(shape) <= axis < len(shape) or shape[axis] != channels:
        raise InvalidArrayError(
            f"y of shape {shape} must have {channels} channels along axis {axis}, as the tables"
        )
    return axis % len(shape)


def address_of(seed: int | str, tensor: int, y: Array) -> tuple[int, int]:
    """The seed, from y itself where that is asked for, and the number of the tensor (Sec. 3.2).

    Raises:
        ValueError: one is out of range, or the seed is a word other than "content".
        TypeError: one is no integer.
    """
    if isinstance(seed, str):
        if seed != "content":
            raise ValueError(f"seed must be an integer or 'content', not {seed!r}")
        seed = content_seed(y)
    return integer(seed, "seed", 0, (1 << 64) - 1), integer(tensor, "tensor", 0, WORD_MASK)


def received(
    data: Any,
    start: int,
    largest: int,
    tables: AnyTables | None,
    check: Callable[[Any], None],
    tables_from_bytes: Callable[[bytes], AnyTables],
) -> tuple[Parts, AnyTables]:
    """The parts of a stream, and the tables that it was coded with.

    Args:
        data, start, largest, tables: as for `decode_array`.
        check: refuses what are no tables of the kind.
        tables_from_bytes: reads those inside of the stream, where none were given.

    Raises:
        InvalidFileError: no stream of ours, of a newer version, truncated, or corrupt.
        WrongTablesError: it was coded with other tables.
        InvalidArrayError: the array is larger than `largest`.
        TablesError: the tables in the stream are damaged.
        TypeError: `data` is not bytes, `start` or `largest` no integer, or `tables` are none.
    """
    parts = unpack(contents(data), integer(start, "start", 0))
    shape, largest = parts.header.shape, integer(largest, "largest")
    needed = f"the array needs tables {parts.header.tables_hash.hex()}"
    if tables is None:
        if not parts.tables:
            raise WrongTablesError(f"{needed}, which are not in it")
        tables = tables_from_bytes(parts.tables)
    check(tables)
    if tables.hash != parts.header.tables_hash:
        raise WrongTablesError(f"{needed}, not {tables.hash.hex()}")
    if math.prod(shape) > largest:
        raise InvalidArrayError(
            f"the array has shape {shape}, more than {largest} coefficients; say so by "
            "largest= if it is yours"
        )
    return parts, tables

"""The sum over ranks of many arrays, in the order of the ranks, whatever MPI's own way would be.

MPI promises no order of its sums. Here each rank gets one piece of all arrays from every other one,
adds them by rank, and gives the result to all: what is called reduce-scatter and all-gather. Of S
bytes, N ranks send 2 (N - 1) / N S bytes each, the least that any way takes.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from npuq.backend import Array, to_host, xp_of


class Exchange(Protocol):
    """How pieces get from rank to rank."""

    @property
    def xp(self) -> Any:
        """The library of their arrays, NumPy or CuPy."""

    def all_to_all(self, ours: Array, theirs: Array) -> None:
        """Row r of `ours` to rank r; row r of `theirs` from it."""

    def all_gather(self, ours: Array, theirs: Array) -> None:
        """`ours` to all ranks; row r of `theirs` from rank r."""


class ByMpi:
    """Through the memory of the host.

    Attributes:
        comm: a communicator of mpi4py.
        finish: called with each request, to return when it is done.
    """

    xp = np

    def __init__(self, comm: Any, finish: Callable[[Any], None]) -> None:
        self.comm, self.finish = comm, finish

    def all_to_all(self, ours: Array, theirs: Array) -> None:
        """Row r of `ours` to rank r; row r of `theirs` from it."""
        self.finish(self.comm.Ialltoall(ours, theirs))

    def all_gather(self, ours: Array, theirs: Array) -> None:
        """`ours` to all ranks; row r of `theirs` from rank r."""
        self.finish(self.comm.Iallgather(ours, theirs))


class Sums:
    """Sums of arrays over ranks; its memory is kept, as fresh memory costs more than the sums."""

    def __init__(self, size: int, exchange: Exchange) -> None:
        self.size, self.exchange = size, exchange
        self.room: tuple[Array, Array] | None = None

    def of(self, arrays: dict[str, Array], weight: float) -> dict[str, Array]:
        """The weighted sum over ranks, added in float64 by rank and rounded once.

        Args:
            arrays: of one dtype, by name; the same names and shapes on all ranks.
            weight: of this rank.

        Returns:
            Arrays that lie where the given ones do, valid until the next call.
        """
        every = list(arrays.values())
        xp, there = self.exchange.xp, xp_of(every[0])
        ours, theirs = self._room(sum(a.size for a in every), every[0].dtype)
        flat = ours.reshape(-1)[: sum(a.size for a in every)]
        if there is not xp:  # on a device, and exchanged through the host: all at once
            every = [to_host(there.concatenate([a.reshape(-1) for a in every]))]
        place = 0
        for a in every:
            part = flat[place : place + a.size]
            xp.multiply(a.reshape(-1), flat.dtype.type(weight), out=part)
            place += a.size
        self.exchange.all_to_all(ours, theirs)
        self.exchange.all_gather(theirs.sum(axis=0, dtype=np.float64).astype(flat.dtype), ours)
        return _arrays(flat if there is xp else there.asarray(flat), arrays)

    def _room(self, length: int, dtype: Any) -> tuple[Array, Array]:
        shape = self.size, math.ceil(length / self.size)
        if self.room is None or (self.room[0].shape, self.room[0].dtype) != (shape, dtype):
            self.room = self.exchange.xp.zeros(shape, dtype), self.exchange.xp.empty(shape, dtype)
        return self.room


def _arrays(flat: Array, like: dict[str, Array]) -> dict[str, Array]:
    """The arrays of a vector, by the names and shapes of others."""
    found, place = {}, 0
    for name, a in like.items():
        found[name] = flat[place : place + a.size].reshape(a.shape)
        place += a.size
    return found


def digest(arrays: dict[Any, Array]) -> int:
    """What tells arrays apart: a checksum of all of them."""
    value = 0
    for array in arrays.values():
        value = zlib.crc32(to_host(array).tobytes(), value)
    return value

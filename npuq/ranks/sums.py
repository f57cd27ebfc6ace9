"""The sum over ranks of a vector, in the order of the ranks, whatever MPI's own way would be.

MPI promises no order of its sums. Here each rank gets one piece of the vector from every other one,
adds them by rank, and gives the result to all: what is called reduce-scatter and all-gather. Of a
vector of S bytes, N ranks send 2 (N - 1) / N S bytes each, the least that any way takes.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from npuq.backend import Array, to_host, xp_of


def flattened(arrays: dict[str, Array], weight: float) -> Array:
    """All arrays, which are of one dtype, times a number, as one vector."""
    flat = xp_of(*arrays.values()).concatenate([a.reshape(-1) for a in arrays.values()])
    flat *= flat.dtype.type(weight)
    return flat


def unflattened(flat: Array, like: dict[str, Array]) -> dict[str, Array]:
    """The arrays of a vector, by the names and shapes of others."""
    ends = np.cumsum([a.size for a in like.values()]).tolist()
    return {
        name: flat[end - a.size : end].reshape(a.shape)
        for (name, a), end in zip(like.items(), ends, strict=True)
    }


def summed(comm: Any, flat: Array, finish: Callable[[Any], None]) -> Array:
    """The sum of a vector over all ranks, added in float64 by rank and rounded once.

    Args:
        comm: a communicator of mpi4py.
        flat: on this rank, on the host.
        finish: called with each request, to return when it is done.
    """
    size = comm.Get_size()
    piece = math.ceil(flat.size / size)
    ours = np.zeros((size, piece), flat.dtype)
    ours.reshape(-1)[: flat.size] = flat
    theirs = np.empty_like(ours)
    finish(comm.Ialltoall(ours, theirs))
    total = theirs.sum(axis=0, dtype=np.float64).astype(flat.dtype)
    finish(comm.Iallgather(total, ours))
    return ours.reshape(-1)[: flat.size]


def digest(arrays: dict[Any, Array]) -> int:
    """What tells arrays apart: a checksum of all of them."""
    value = 0
    for array in arrays.values():
        value = zlib.crc32(to_host(array).tobytes(), value)
    return value

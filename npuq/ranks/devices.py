"""Ranks that compute on GPUs: which one each takes, and whether sums go through NCCL."""

from __future__ import annotations

from typing import Any

from npuq.backend import Array


class ByNccl:
    """From device to device (`npuq.ranks.sums.Exchange`).

    A rank that dies within a sum is not noticed; `MpiRanks.mean` sees to it that all are there.
    """

    def __init__(self, size: int, rank: int) -> None:
        import cupy
        from cupyx.distributed import NCCLBackend

        self.xp = cupy
        self.backend = NCCLBackend(size, rank, use_mpi=True)

    def all_to_all(self, ours: Array, theirs: Array) -> None:
        """Row r of `ours` to rank r; row r of `theirs` from it."""
        self.backend.all_to_all(ours, theirs)

    def all_gather(self, ours: Array, theirs: Array) -> None:
        """`ours` to all ranks; row r of `theirs` from rank r."""
        self.backend.all_gather(ours, theirs, ours.size)


def take_device(on_machine: int) -> bool:
    """Take the device for the rank of this number on its machine, in turns where there are fewer.

    Returns:
        Whether NCCL can be used: it is there, and no other rank has this device.
    """
    import cupy

    devices: Any = cupy.cuda.runtime.getDeviceCount()
    cupy.cuda.Device(on_machine % devices).use()
    try:
        from cupy.cuda import nccl
    except ImportError:
        return False
    return bool(nccl.available) and on_machine < devices

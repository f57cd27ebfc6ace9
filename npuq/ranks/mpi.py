"""Ranks that talk by MPI: sums in a fixed order, and all that goes with one training."""

from __future__ import annotations

import contextlib
import pickle
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Any, TypeVar

import numpy as np

from npuq.backend import Array
from npuq.errors import RankError
from npuq.ranks.alone import Ranks, Stopped
from npuq.ranks.devices import ByNccl, take_device
from npuq.ranks.post import Post
from npuq.ranks.queue import lead, serve
from npuq.ranks.sources import this_npuq
from npuq.ranks.sums import ByMpi, Sums
from npuq.runtime.interruptions import heard_by
from npuq.runtime.threads import thread_count

T = TypeVar("T")


class MpiRanks(Ranks):
    """The ranks of `MPI.COMM_WORLD`."""

    def __init__(self, mpi: Any, timeout: float) -> None:
        self.post = Post(mpi, timeout)
        self.comm = mpi.COMM_WORLD.Dup()
        self.rank, self.size = self.post.rank, self.post.size
        self.asked = 0  # number of the signal that asked this rank to stop
        self.sums = Sums(self.size, ByMpi(self.comm, self.post.finish))
        self.seconds = {"waiting": 0.0, "sending": 0.0}

    # ---- at one work

    def mean(
        self, numbers: Sequence[Any], arrays: dict[str, Array], weight: float
    ) -> tuple[tuple[Any, ...], dict[str, Array]]:
        """The weighted sums: first who wants to stop, and the numbers; then the arrays."""
        begun = time.perf_counter()
        mine = np.array([self.asked, *map(float, numbers)], np.float64)
        mine[1:] *= weight
        table = np.empty((self.size, mine.size))
        self.post.wait(self.comm.Iallgather(mine, table))
        if table[:, 0].any():
            raise Stopped(int(table[:, 0].max()), together=True)
        there = time.perf_counter()
        total = self.sums.of(arrays, weight)
        self.seconds["waiting"] += there - begun
        self.seconds["sending"] += time.perf_counter() - there
        return tuple(table[:, 1:].sum(axis=0).tolist()), total

    def gather(self, value: T) -> list[T]:
        """What every rank gives, by rank: pickled, lengths first."""
        data = np.frombuffer(pickle.dumps(value), np.uint8)
        lengths = np.empty(self.size, np.int64)
        self.post.wait(self.comm.Iallgather(np.array([data.size], np.int64), lengths))
        every = np.empty(int(lengths.sum()), np.uint8)
        self.post.wait(self.comm.Iallgatherv(data, [every, lengths.tolist()]))
        parts = np.split(every, np.cumsum(lengths)[:-1])
        return [pickle.loads(part.tobytes()) for part in parts]

    def in_order(self, work: Callable[[int], T], count: int, threads: int) -> Iterator[T]:
        """Rank 0 hands out numbers, the others ask; no more threads than this rank may run."""
        threads = min(threads, thread_count())
        if self.leads:
            yield from lead(self.post, work, count, threads)
        else:
            serve(self.post, work, threads)

    def from_lead(self, make: Callable[[], T]) -> T:
        """What rank 0 makes, pickled and sent to all."""
        if self.rank:
            length = np.empty(1, np.int64)
            self.post.wait(self.comm.Ibcast(length))
            data = np.empty(int(length[0]), np.uint8)
            self.post.wait(self.comm.Ibcast(data))
            return pickle.loads(data.tobytes())
        value = make()
        data = np.frombuffer(pickle.dumps(value), np.uint8)
        self.post.wait(self.comm.Ibcast(np.array([data.size], np.int64)))
        self.post.wait(self.comm.Ibcast(data))
        return value

    def check_alike(self, facts: Mapping[str, Any]) -> None:
        """Check that all state the same, and run the same npuq."""
        first, *others = self.gather({"npuq": this_npuq(), **facts})
        for rank, theirs in enumerate(others, start=1):
            differing = [
                f"{name} {theirs.get(name)!r}, not {first.get(name)!r}"
                for name in first | theirs
                if theirs.get(name) != first.get(name)
            ]
            if differing:
                one, other = self.post.names[rank], self.post.names[0]
                raise RankError(
                    f"{one} is not like {other}: {'; '.join(differing)}. All ranks need the same "
                    "npuq and the same options, and see the same files"
                )

    def take_device(self) -> None:
        """Take a GPU; sums go through NCCL where all ranks can."""
        machine = self.comm.Split_type(self.post.mpi.COMM_TYPE_SHARED)
        if all(self.gather(take_device(machine.Get_rank()))):
            self.sums = Sums(self.size, ByNccl(self.size, self.rank))

    # ---- signals

    @contextlib.contextmanager
    def stopping_together(self) -> Iterator[None]:
        """Within it a signal is noted, for the next `mean`; a second one interrupts at once."""

        def note(number: int, frame: FrameType | None) -> None:
            if self.asked:
                raise Stopped(number)
            self.asked = number

        names = ("SIGINT", "SIGTERM", "SIGHUP")
        with heard_by(note, names, replaces=lambda present: present != signal.SIG_IGN):
            yield
        if self.asked:  # since the last step
            raise Stopped(self.asked)

    # ---- the end

    def fail(self, text: str) -> bool:
        """Tell the others of an error; whether it is for this rank to say it."""
        return self.post.fail(text)

    def leave(self) -> None:
        """Wait for the others at the end of the program."""
        self.post.leave()

    def cost(self) -> str | None:
        """Seconds spent on waiting for the others, and in sums."""
        waiting, sending = (self.seconds[name] for name in ("waiting", "sending"))
        return f"{self.size} ranks; waited {waiting:.1f} s for others, {sending:.1f} s in sums"

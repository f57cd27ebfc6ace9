"""Letters between ranks: the news that one fails, who still answers, and work to hand out.

Nothing blocks. Every exchange is begun and then asked about (`wait`), so that meanwhile a rank sees
the letter of another one that fails, and sees the time. Letters go through a communicator of their
own, from main thread to main thread.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import time
from collections.abc import Iterator, Sequence
from typing import Any

from npuq.errors import RankError

WORK, FAILED, ROLL, HERE = 1, 2, 3, 4  # kinds of letters
LONGEST_NAP = 5e-4  # seconds between two looks at an exchange
ROLL_SECONDS = 2.0  # to answer who is there
ABORT_SECONDS = 5.0  # for the launcher to end all
FAREWELL = 10.0  # seconds, at most, that rank 0 waits for others after a failure; they wait longer


class Post:
    """How one rank writes to the others.

    Attributes:
        names: of all ranks, with their machines.
        timeout: seconds to wait for another rank.
    """

    def __init__(self, mpi: Any, timeout: float) -> None:
        self.mpi, self.timeout = mpi, timeout
        self.comm = mpi.COMM_WORLD.Dup()
        self.rank, self.size = self.comm.Get_rank(), self.comm.Get_size()
        self.names = self.comm.allgather(f"rank {self.rank} on {mpi.Get_processor_name()}")
        self.launcher = os.getppid()
        self.failed = False
        self.heard: tuple[int, str] | None = None  # which rank failed first, and how
        self.sent: list[tuple[Any, bytes]] = []  # letters on their way

    def send(self, rank: int, value: Any, kind: int = WORK) -> None:
        """A letter to another rank, without waiting for it to arrive."""
        data = pickle.dumps(value)
        self.sent = [(request, kept) for request, kept in self.sent if not request.Test()]
        self.sent.append((self.comm.Isend(data, rank, kind), data))

    def letters(self) -> Iterator[tuple[int, Any]]:
        """(rank, value) of the letters that have come for this one's work.

        Raises:
            RankError: a rank has failed.
        """
        self.look()
        while (letter := self._letter(WORK)) is not None:
            yield letter

    def _letter(self, kind: int) -> tuple[int, Any] | None:
        status = self.mpi.Status()
        message = self.comm.Improbe(self.mpi.ANY_SOURCE, kind, status)
        if message is None:
            return None
        data = bytearray(status.Get_count(self.mpi.BYTE))
        message.Recv(data)
        return status.Get_source(), pickle.loads(data)

    def look(self) -> None:
        """Answer who asks for this rank, and see whether another one failed."""
        while (letter := self._letter(ROLL)) is not None:
            self.send(letter[0], None, HERE)
        if self.heard is None and (letter := self._letter(FAILED)) is not None:
            self.heard = letter
        if self.failed:
            return
        if self.heard is not None:
            raise RankError(self.heard[1])
        if os.getppid() != self.launcher:
            raise RankError(f"{self.names[self.rank]}: what mpiexec had started there has died")

    # ---- waiting

    def wait(self, request: Any) -> None:
        """Until an exchange is done, asleep most of the time: the others may be computing."""
        nap, since = 1e-5, time.monotonic()
        while not request.Test():
            time.sleep(nap)
            nap = min(1.5 * nap, LONGEST_NAP)
            if nap == LONGEST_NAP:
                self.look()
                self.check_time(since)

    def finish(self, request: Any) -> None:
        """Until an exchange is done, awake: all take part in it already."""
        since = time.monotonic()
        while not request.Test():
            time.sleep(0)  # there may be fewer cores than ranks
            if time.monotonic() - since > 1.0:
                self.wait(request)
                return

    def check_time(self, since: float, ranks: Sequence[int] | None = None) -> None:
        """Raise an error if these ranks, or all, were waited for too long, and do not answer."""
        if time.monotonic() - since < self.timeout:
            return
        silent = set(range(self.size) if ranks is None else ranks) - {self.rank}
        for rank in silent:
            self.send(rank, None, ROLL)
        until = time.monotonic() + ROLL_SECONDS
        while silent and time.monotonic() < until:
            self.look()
            while (letter := self._letter(HERE)) is not None:
                silent.discard(letter[0])
            time.sleep(1e-3)
        who = ", ".join(self.names[rank] for rank in sorted(silent)) or "one of them"
        raise RankError(
            f"{who}: no answer for {self.timeout:g} s; it has died, hangs, or takes longer "
            "(NPUQ_MPI_TIMEOUT says how long to wait)"
        )

    # ---- the end

    def fail(self, text: str) -> bool:
        """Tell all others that this rank fails; whether it is for this one to say it.

        Rank 0 speaks for all. Another one speaks only where rank 0 does not.
        """
        self.failed = True
        self._end_within(7 * self._patience() + 2 * ABORT_SECONDS)
        if self.rank == 0:
            text = text if self.heard is None else self.heard[1]
        elif self.heard is None:
            text = f"{self.names[self.rank]}: {text}"
        if self.rank == 0 or self.heard is None:
            for rank in set(range(self.size)) - {self.rank}:
                self.send(rank, text, FAILED)
        until = time.monotonic() + self._patience()
        while self.rank and time.monotonic() < until:
            letter, self.heard = self.heard or self._letter(FAILED), None
            if letter is not None and letter[0] == 0:
                return False
            time.sleep(1e-3)
        return True

    def leave(self) -> None:
        """Wait for all others at the end; after a failure, not for long: then all is ended."""
        patience = self._patience() * (1 if self.rank == 0 else 6)
        since = time.monotonic()
        request = self.comm.Ibarrier()
        while not request.Test():
            try:
                self.look()
            except RankError:
                self.failed = True
            if self.failed and time.monotonic() - since > patience:
                self._end_within(ABORT_SECONDS)
                self.mpi.COMM_WORLD.Abort(2)
                os._exit(2)  # it has found no launcher
            time.sleep(1e-3)

    def _patience(self) -> float:
        return min(FAREWELL, self.timeout)

    def _end_within(self, seconds: float) -> None:
        """End this process then if it is still there: whose launcher is dead may find no end.

        To write into a pipe that nobody reads any more blocks, in `Abort` as well, and no handler
        of a signal would run.
        """
        self.nowhere = open(os.devnull, "w")  # noqa: SIM115 - it is to stay open
        faulthandler.dump_traceback_later(seconds, exit=True, file=self.nowhere)

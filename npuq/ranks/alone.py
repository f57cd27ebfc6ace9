"""What one rank may ask of all: the interface, as a process has it that runs alone."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from npuq.errors import RankError

if TYPE_CHECKING:
    from npuq.backend import Array  # which imports NumPy, see `launch.share_blas`

T = TypeVar("T")


class Share(NamedTuple):
    """Things `first` to `stop` - 1 of `of`, which are one rank's."""

    first: int
    stop: int
    of: int

    @property
    def weight(self) -> float:
        """What part of the whole it is."""
        return (self.stop - self.first) / self.of

    @property
    def part(self) -> slice:
        """Which things of the whole it is."""
        return slice(self.first, self.stop)


WHOLE = Share(0, 1, 1)
"""The share of a process alone."""


class Stopped(KeyboardInterrupt):
    """A signal asked one of the ranks to stop.

    Attributes:
        status: the exit status that shells give to the signal.
        together: whether all ranks stop at this step, and none is to be told of it.
    """

    def __init__(self, number: int, *, together: bool = False) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number
        self.together = together


class Ranks:
    """One process alone: rank 0 of 1.

    Attributes:
        rank: number of this process, from 0; rank 0 leads: it alone reads and writes runs, and
            speaks.
        size: number of processes.
    """

    rank = 0
    size = 1

    @property
    def leads(self) -> bool:
        """Whether this is rank 0."""
        return self.rank == 0

    def share(self, count: int) -> Share:
        """This rank's share of `count` things: neighbours, as many as the others have, or one more.

        Raises:
            RankError: there are fewer things than ranks.
        """
        if count < self.size:
            raise RankError(
                f"a batch of {count} cannot be shared by {self.size} ranks: start at most {count}, "
                "or make the batch larger (--batch-size)"
            )
        first, stop = (count * i // self.size for i in (self.rank, self.rank + 1))
        return Share(first, stop, count)

    def mean(
        self, numbers: Sequence[Any], arrays: dict[str, Array], weight: float
    ) -> tuple[tuple[Any, ...], dict[str, Array]]:
        """The weighted sum over ranks of numbers and of arrays: alike on all, bit for bit.

        It is taken in the order of the ranks, so that N ranks give the same bits every time.

        Args:
            numbers: such as losses; of any library's scalars.
            arrays: such as gradients, of one dtype, by name; the same names and shapes on all.
            weight: of this rank; all weights add up to 1.

        Raises:
            KeyboardInterrupt: one of the ranks was asked to stop; raised on all of them.
            RankError: another rank has failed, or gives no answer.
        """
        return tuple(numbers), arrays

    def gather(self, value: T) -> list[T]:
        """What every rank gives here, by rank; the same list on all of them."""
        return [value]

    def in_order(self, work: Callable[[int], T], count: int, threads: int) -> Iterator[T]:
        """`work(number)` for the numbers below `count`, by whichever rank is free, in their order.

        Args:
            work: the same function on all ranks; it runs in threads of theirs.
            count: of pieces.
            threads: that work at a time on each rank.

        Yields:
            On rank 0 every result, by number; on others nothing, but it works until all is done.
        """
        from concurrent.futures import ThreadPoolExecutor  # `npuq --help` would wait for it

        pool = ThreadPoolExecutor(threads, thread_name_prefix="npuq-work")
        try:
            yield from pool.map(work, range(count))
        finally:
            pool.shutdown(cancel_futures=True)

    def from_lead(self, make: Callable[[], T]) -> T:
        """What `make` returns on rank 0, where alone it is called; what it raises ends all."""
        return make()

    def check_alike(self, facts: Mapping[str, Any]) -> None:
        """Check that all ranks state the same of themselves.

        Raises:
            RankError: they do not; it names what differs, and where.
        """

    def take_device(self) -> None:
        """Before CuPy is used: take a GPU of this machine that no other rank takes, if it has more.

        Sums go through NCCL where each rank has a device of its own, else through the host.
        """

    def stopping_together(self) -> contextlib.AbstractContextManager[None]:
        """Within it, a signal to stop does not interrupt a step: all stop at the next `mean`."""
        return contextlib.nullcontext()

    def fail(self, text: str) -> bool:
        """Tell the others that this rank ends by an error; whether it is for this one to say it."""
        return True

    def leave(self) -> None:
        """Wait for the others at the end of the program."""

    def cost(self) -> str | None:
        """What the other ranks cost so far, in words; None for a process alone."""
        return None


ALONE = Ranks()

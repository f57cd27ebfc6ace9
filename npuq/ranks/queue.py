"""Work that is handed out by number, one piece at a time to whoever is free.

Rank 0 leads, and works as well; its main thread hands out, threads compute. Each thread of another
rank asks for its first piece, and for the next one with each result, until it is sent home.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from npuq.ranks.post import Post

T = TypeVar("T")

NAP = 2e-3  # seconds between two looks at what is done
BEATS = 10  # letters that a rank at work sends within the timeout: it may take long, but lives


class Letter(NamedTuple):
    """What a rank at work writes to rank 0.

    Attributes:
        asks: whether one of its threads is free; else it only says that it lives.
        number: of the piece that is done, or None.
        result: of that.
    """

    asks: bool
    number: int | None = None
    result: object = None


def lead(post: Post, work: Callable[[int], T], count: int, threads: int) -> Iterator[T]:
    """On rank 0: `work(number)` for the numbers below `count`, by whichever rank, in their order.

    Raises:
        RankError: a rank has failed, or one at work gives no answer.
    """
    waiting = deque(range(count))
    done: dict[int, T] = {}
    mine: dict[int, Future[T]] = {}
    there = dict.fromkeys(range(1, post.size), threads)  # threads not yet sent home, by rank
    heard = dict.fromkeys(there, time.monotonic())
    given = 0
    pool = ThreadPoolExecutor(threads, thread_name_prefix="npuq-work")
    try:
        while given < count or any(there.values()):
            while waiting and len(mine) < threads:
                number = waiting.popleft()
                mine[number] = pool.submit(work, number)
            for number in [number for number, future in mine.items() if future.done()]:
                done[number] = mine.pop(number).result()
            for rank, letter in post.letters():
                heard[rank] = time.monotonic()
                if letter.number is not None:
                    done[letter.number] = letter.result
                if letter.asks:
                    there[rank] -= not waiting
                    post.send(rank, waiting.popleft() if waiting else None)
            for rank, busy in there.items():
                if busy:
                    post.check_time(heard[rank], [rank])
            while given in done:
                yield done.pop(given)
                given += 1
            time.sleep(NAP)
    finally:
        pool.shutdown(cancel_futures=True)


def serve(post: Post, work: Callable[[int], T], threads: int) -> None:
    """On another rank: work on what rank 0 hands out, until there is no more.

    Raises:
        RankError: another rank has failed, or rank 0 gives no answer.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="npuq-work")
    mine: dict[int, Future[T]] = {}
    idle = threads  # that have asked
    heard = told = time.monotonic()
    for _ in range(threads):
        post.send(0, Letter(asks=True))
    try:
        while mine or idle:
            for _, number in post.letters():
                heard = time.monotonic()
                idle -= 1
                if number is not None:
                    mine[number] = pool.submit(work, number)
            for number in [number for number, future in mine.items() if future.done()]:
                post.send(0, Letter(True, number, mine.pop(number).result()))
                idle, heard = idle + 1, time.monotonic()
            if idle:
                post.check_time(heard, [0])
            if time.monotonic() - told > post.timeout / BEATS:
                told = time.monotonic()
                post.send(0, Letter(asks=False))
            time.sleep(NAP)
    finally:
        pool.shutdown(cancel_futures=True)

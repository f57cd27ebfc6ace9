"""Several ranks as far as one process can show: shares, parts of batches, starts that cannot be."""

from __future__ import annotations

import pickle
import queue
import sys
import threading
import time
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from integration.test_training import PHOTOGRAPHS, identical, run

from npuq.coding.noise import noise_place, uniform_noise
from npuq.errors import MissingDependencyError, RankError, SettingError
from npuq.nn.adam import AdamState
from npuq.ranks import launch
from npuq.ranks.alone import ALONE, Ranks, Share
from npuq.ranks.noise import part_of_uniform
from npuq.ranks.queue import Letter, lead, serve
from npuq.ranks.sums import Sums, digest
from npuq.training.checkpoint import TrainingState, saved_run
from npuq.training.dead_leaves import dead_leaves_batch
from npuq.training.photographs import training_batch
from npuq.training.records import on_ranks
from npuq.training.step import noise_of_step, part_of_noise


class One(Ranks):
    """One rank of several, without the others."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size


@pytest.mark.parametrize(("count", "size"), [(8, 1), (8, 3), (5, 4), (4, 4), (17, 5)])
def test_shares_are_neighbours_of_nearly_one_size(count: int, size: int) -> None:
    shares = [One(rank, size).share(count) for rank in range(size)]
    assert [i for share in shares for i in range(count)[share.part]] == list(range(count))
    sizes = [share.stop - share.first for share in shares]
    assert max(sizes) - min(sizes) <= 1
    assert sum(share.weight for share in shares) == pytest.approx(1, rel=1e-15)


def test_more_ranks_than_images_are_refused() -> None:
    with pytest.raises(RankError, match="batch of 3 cannot be shared by 4 ranks"):
        One(0, 4).share(3)


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((7,), 0), ((3, 7 * 5), 1), ((3, 7 * 4), 1), ((7, 3, 1, 5), 0), ((7, 2, 2, 6), 0)],
)
def test_the_noise_of_a_part_is_the_part_of_the_noise(shape: tuple[int, ...], axis: int) -> None:
    """Odd counts too: a number may begin in the middle of a word of the generator."""
    whole = part_of_uniform([3, 4, 1], shape, Share(0, 7, 7))
    np.testing.assert_array_equal(whole, np.random.default_rng([3, 4, 1]).random(shape, "f"))
    one = shape[axis] // 7
    for first in range(7):
        for stop in range(first + 1, 8):
            part = whole[:, first * one : stop * one] if axis else whole[first * one : stop * one]
            found = part_of_uniform([3, 4, 1], part.shape, Share(first, stop, 7))
            np.testing.assert_array_equal(found, part)
            place, where = noise_place(3, 4, 1), Share(first, stop, 7)
            noise = uniform_noise(place, shape)
            part = noise[:, first * one : stop * one] if axis else noise[first * one : stop * one]
            np.testing.assert_array_equal(part_of_noise(place, part.shape, where), part)
    for generator in ("philox", "pcg64"):
        ours = noise_of_step(3, 4, Share(2, 7, 7), generator=generator)(0, (3, 5))
        every = noise_of_step(3, 4, generator=generator)(0, (3, 7))
        np.testing.assert_array_equal(ours, every[:, 2:])


def test_parts_of_a_batch_are_cut_alone() -> None:
    more: dict[str, Any] = {"seed": 3, "step": 2, "batch_size": 5, "crop": 32}
    whole = training_batch(PHOTOGRAPHS, **more, smaller_side=(40, 60), turns=True)
    part = training_batch(PHOTOGRAPHS, **more, smaller_side=(40, 60), turns=True, part=slice(1, 4))
    np.testing.assert_array_equal(part, whole[1:4])
    np.testing.assert_array_equal(
        dead_leaves_batch(**more, part=slice(3, 5)), dead_leaves_batch(**more)[3:5]
    )


class Rings:
    """The exchange of ranks that are threads of this process."""

    xp = np

    def __init__(self, rank: int, table: list[Any], barrier: threading.Barrier) -> None:
        self.rank, self.table, self.barrier = rank, table, barrier

    def _given(self, ours: Any) -> list[Any]:
        self.table[self.rank] = ours.copy()
        self.barrier.wait(timeout=60)
        given = list(self.table)
        self.barrier.wait(timeout=60)
        return given

    def all_to_all(self, ours: Any, theirs: Any) -> None:
        theirs[:] = [given[self.rank] for given in self._given(ours)]

    def all_gather(self, ours: Any, theirs: Any) -> None:
        theirs[:] = self._given(ours)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_sums_are_added_by_rank_and_rounded_once(size: int) -> None:
    """In float32, where other orders give other bits; twice, as memory is kept."""
    rng = np.random.default_rng(size)
    shapes = {"a": (2, 3), "b": (), "c": (4,)}  # 11 numbers, in pieces that do not fit
    given = [
        {name: rng.normal(size=shape).astype("f") for name, shape in shapes.items()}
        for _ in range(2 * size)
    ]
    weights = rng.random(size)
    table: list[Any] = [None] * size
    barrier = threading.Barrier(size)
    sums = [Sums(size, Rings(rank, table, barrier)) for rank in range(size)]
    for turn in range(2):
        of_turn = given[turn * size : (turn + 1) * size]
        with ThreadPoolExecutor(size) as pool:
            found = list(pool.map(lambda s, a, w: s.of(a, w), sums, of_turn, weights))
        for name, shape in shapes.items():
            terms = [a[name] * np.float32(w) for a, w in zip(of_turn, weights, strict=True)]
            expected = sum(terms[1:], terms[0].astype(np.float64)).astype(np.float32)
            for one in found:
                assert one[name].shape == shape and one[name].dtype == np.float32
                np.testing.assert_array_equal(one[name], expected)


def test_a_digest_tells_arrays_apart() -> None:
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.ones(2)}
    assert digest(arrays) == digest({name: array.copy() for name, array in arrays.items()})
    assert digest(arrays) != digest(arrays | {"b": np.float64([1, 1 + 1e-15])})


def test_the_course_of_ranks_is_noted() -> None:
    state = TrainingState(0, {}, AdamState(0, {}, {}), {}, [])
    assert on_ranks(state, 1).ranks == ((0, 1),)
    first = on_ranks(state, 4)
    assert first.ranks == ((0, 4),)
    assert on_ranks(first._replace(step=7), 4).ranks == ((0, 4),)
    second = on_ranks(first._replace(step=7), 2)
    assert second.ranks == ((0, 4), (7, 2))
    assert on_ranks(second, 3).ranks == ((0, 4), (7, 3))  # at 7 again: nothing was done by 2


def test_what_is_done_is_saved_where_another_rank_fails(tmp_path: Path) -> None:
    class Failing(Ranks):
        done = 0

        def mean(self, *args: Any) -> Any:
            self.done += 1
            if self.done == 8:
                raise RankError("rank 1: no answer")
            return super().mean(*args)

    with pytest.raises(RankError, match="no answer"):
        run(tmp_path / "a", ranks=Failing())
    assert saved_run(tmp_path / "a" / "checkpoint.npz").step == 7
    assert identical(run(tmp_path / "a", resume=True), run(tmp_path / "b"))


# ---- the start


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in (*launch.MARKS, "NPUQ_MPI", "NPUQ_MPI_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    for cached in (launch.world, launch._mpi):
        cached.cache_clear()
    yield monkeypatch
    for cached in (launch.world, launch._mpi):
        cached.cache_clear()


def with_mpi_of(monkeypatch: pytest.MonkeyPatch, size: int | None) -> None:
    """An mpi4py that sees so many processes; None for no mpi4py."""
    mpi: Any = types.ModuleType("mpi4py.MPI")
    mpi.COMM_WORLD = types.SimpleNamespace(Get_size=lambda: size)
    mpi.Get_library_version = lambda: "Some MPI 1.0\nand more"
    package: Any = types.ModuleType("mpi4py")
    package.rc, package.MPI = types.SimpleNamespace(), mpi
    found = {"mpi4py": package, "mpi4py.MPI": mpi}
    for name, module in found.items():
        monkeypatch.setitem(sys.modules, name, None if size is None else module)


def test_without_mpiexec_a_process_is_alone(fresh: pytest.MonkeyPatch) -> None:
    with_mpi_of(fresh, None)
    assert launch.world() is ALONE
    assert ALONE.from_lead(lambda: 5) == 5 and ALONE.gather(3) == [3]
    assert ALONE.mean((1.5, 2), {}, 1.0) == ((1.5, 2), {})


def test_of_one_process_mpi_is_not_asked_for(fresh: pytest.MonkeyPatch) -> None:
    with_mpi_of(fresh, None)
    fresh.setenv("PMI_SIZE", "1")
    assert launch.world() is ALONE


def test_several_processes_need_mpi4py(fresh: pytest.MonkeyPatch) -> None:
    with_mpi_of(fresh, None)
    fresh.setenv("PMI_SIZE", "2")
    with pytest.raises(MissingDependencyError, match=r"pip install 'npuq\[mpi\]'"):
        launch.world()
    fresh.setenv("NPUQ_MPI", "off")
    assert launch.world() is ALONE


@pytest.mark.parametrize("variable", launch.SIZES)
def test_the_mpiexec_of_another_mpi_is_noticed(fresh: pytest.MonkeyPatch, variable: str) -> None:
    with_mpi_of(fresh, 1)
    fresh.setenv(variable, "2")
    with pytest.raises(RankError, match=r"started 2 .* sees 1.*\(Some MPI 1.0\)"):
        launch.world()


@pytest.mark.parametrize(
    ("name", "value"),
    [("NPUQ_MPI", "on"), ("NPUQ_MPI_TIMEOUT", "0"), ("NPUQ_MPI_TIMEOUT", "nan"),
     ("NPUQ_MPI_TIMEOUT", "soon")],
)  # fmt: skip
def test_settings_that_cannot_be(fresh: pytest.MonkeyPatch, name: str, value: str) -> None:
    fresh.setenv("PMI_SIZE", "2")
    fresh.setenv(name, value)
    with pytest.raises(SettingError, match=name):
        launch.world()


# ---- work that is handed out


class FakePost:
    """The post of ranks that are threads of this process."""

    timeout = 60.0

    def __init__(self, rank: int, boxes: list[queue.SimpleQueue]) -> None:
        self.rank, self.size, self.boxes = rank, len(boxes), boxes

    def send(self, rank: int, value: Any) -> None:
        self.boxes[rank].put((self.rank, pickle.loads(pickle.dumps(value))))

    def letters(self) -> Any:
        while not self.boxes[self.rank].empty():
            yield self.boxes[self.rank].get()

    def check_time(self, since: float, ranks: list[int]) -> None:
        if time.monotonic() - since > self.timeout:
            raise RankError(f"rank {ranks[0]}: no answer")


@pytest.mark.parametrize(
    ("size", "count", "threads"), [(3, 20, 1), (2, 9, 2), (4, 2, 2), (2, 0, 1)]
)
def test_results_come_in_order_from_all_ranks(size: int, count: int, threads: int) -> None:
    boxes = [queue.SimpleQueue() for _ in range(size)]
    workers: dict[int, list[int]] = {rank: [] for rank in range(size)}

    def work_of(rank: int) -> Any:
        def work(number: int) -> int:
            workers[rank].append(number)
            time.sleep(0.02 * (1 + number % 3))  # later ones are done before earlier ones
            return number**2

        return work

    others = [
        threading.Thread(target=serve, args=(FakePost(rank, boxes), work_of(rank), threads))
        for rank in range(1, size)
    ]
    for other in others:
        other.start()
    found = list(lead(FakePost(0, boxes), work_of(0), count, threads))
    for other in others:
        other.join(timeout=30)
        assert not other.is_alive()
    assert found == [number**2 for number in range(count)]
    assert sorted(sum(workers.values(), [])) == list(range(count))
    assert count < 3 * size or all(workers.values())
    assert all(box.empty() for box in boxes)


def test_a_rank_at_work_that_is_silent_is_noticed() -> None:
    boxes: list[queue.SimpleQueue] = [queue.SimpleQueue() for _ in range(2)]
    posts = [FakePost(rank, boxes) for rank in range(2)]
    posts[0].timeout = 0.2
    posts[1].send(0, Letter(asks=True))
    with pytest.raises(RankError, match="rank 1: no answer"):
        list(lead(posts[0], lambda number: None, 6, 1))


def test_a_slow_rank_says_that_it_lives() -> None:
    boxes = [queue.SimpleQueue() for _ in range(2)]
    lead_post, post = (FakePost(rank, boxes) for rank in range(2))
    post.timeout = 0.1  # it is to write ten times as often
    goes_on = threading.Event()

    def work(number: int) -> int:
        assert goes_on.wait(timeout=60)
        return number + 1

    other = threading.Thread(target=serve, args=(post, work, 1))
    lead_post.send(1, 5)
    other.start()
    assert boxes[0].get(timeout=60) == (1, Letter(asks=True))
    assert boxes[0].get(timeout=60) == (1, Letter(asks=False))
    goes_on.set()
    while (letter := boxes[0].get(timeout=60)[1]) == Letter(asks=False):
        pass
    assert letter == Letter(True, 5, 6)
    lead_post.send(1, None)
    other.join(timeout=60)
    assert not other.is_alive()

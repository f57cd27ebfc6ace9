"""What the stand-in refuses while a stream is captured; and graphs, which compute when launched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gpu.conftest import IS_REAL, on_device
from gpu.recording import Stream
from gpu.standin import COUNT

from npuq.nn.flat import Flat
from npuq.nn.products import product
from npuq.nn.rows import keep_losses, take_row
from npuq.runtime.graphs import Graphs
from npuq.training.device_rows import Row

pytestmark = pytest.mark.usefixtures("device")

# What a step may not do, and does easily.
SLIPS: dict[str, Callable[[Any, Any], Any]] = {
    "a number for the host": lambda cupy, x: float(x.sum()),
    "a condition": lambda cupy, x: 1 if (x > 0).all() else 0,
    "an array for the host": lambda cupy, x: x.get(),
    "an array of the host": lambda cupy, x: x + cupy.asarray(np.ones(x.shape, np.float32)),
    "numbers of the host written into one": lambda cupy, x: x.set(np.ones(x.shape, np.float32)),
    "an index of the host": lambda cupy, x: x[np.array([0, 1])],
    "a product by CuPy": lambda cupy, x: x @ x,
    "a product by CuPy over several axes": lambda cupy, x: cupy.tensordot(x, x, 1),
    "waiting for the stream": lambda cupy, x: cupy.cuda.get_current_stream().synchronize(),
    "loading a kernel": lambda cupy, x: cupy.RawModule(code=EMPTY).get_function("empty"),
    "another stream": lambda cupy, x: on_another_stream(cupy, x),
    "how many there are": lambda cupy, x: cupy.nonzero(x),
}
EMPTY = 'extern "C" __global__ void empty(float* x) {}'


def on_another_stream(cupy: Any, x: Any) -> None:
    with cupy.cuda.Stream(non_blocking=True):
        x += 1


@pytest.mark.skipif(IS_REAL, reason="of the stand-in")
@pytest.mark.parametrize("slip", SLIPS)
def test_slips_are_refused_while_a_step_is_recorded(slip: str, device: Any) -> None:
    graphs, (x,) = Graphs(), on_device(np.ones((3, 3), np.float32))
    with graphs.stream():
        graphs.call("key", lambda: SLIPS[slip](device, x))
        assert not graphs.refused
        graphs.call("key", lambda: SLIPS[slip](device, x))
        graphs.call("other", lambda: x.fill(3))  # the stream is as good as before
        graphs.call("other", lambda: x.fill(3))
    assert graphs.refused.keys() == {"key"}


@pytest.mark.skipif(IS_REAL, reason="of the stand-in")
def test_memory_of_others_is_not_taken(device: Any) -> None:
    stream = device.cuda.Stream(non_blocking=True)
    with pytest.raises(RuntimeError, match="share its memory"):
        stream.begin_capture()


@pytest.mark.skipif(IS_REAL, reason="of the stand-in")
def test_what_only_the_end_of_a_recording_refuses_is_called_each_time(
    device: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As CUDA says of some calls that they were not allowed, and of what is too large a graph."""
    graphs, (x,) = Graphs(), on_device(np.zeros(3, np.float32))
    end = Stream.end_capture

    def refusing(stream: Any) -> None:
        end(stream)
        raise RuntimeError("cudaErrorStreamCaptureInvalidated")

    def step() -> None:
        x[...] = x + 1

    monkeypatch.setattr(Stream, "end_capture", refusing)
    with graphs.stream():
        for _ in range(4):
            graphs.call("key", step)
        np.testing.assert_array_equal(x.get(), 4)
    assert "Invalidated" in graphs.refused["key"]


@pytest.mark.skipif(IS_REAL, reason="of the stand-in")
def test_what_was_launched_before_is_waited_for(
    device: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream that does not block begins while parameters still travel on another."""
    graphs, done = Graphs(), []
    monkeypatch.setattr(Stream, "synchronize", lambda stream: done.append(stream))
    with graphs.stream():
        assert done == [Stream.null] != [Stream.current]


def test_a_graph_computes_when_it_is_launched_and_from_what_is_there_then() -> None:
    """All that a step is made of: kernels, products, CuPy's functions, copies, sums."""
    rng, graphs = np.random.default_rng(0), Graphs()
    a, b = rng.standard_normal((4, 5)).astype(np.float32), np.ones((5, 5), np.float32)
    on_a, on_b, total, last = on_device(a, b, np.zeros((), np.float32), np.zeros((5, 4), "f"))

    def step() -> None:
        y = product(on_a, on_b)
        y -= 1
        z = y.T.copy()
        z[1] = (y * y).sum(axis=1)
        last[...] = z
        total[...] = total + y.max() + y.astype(np.float64).sum()

    def on_host(a: Any, total: Any) -> Any:
        y = a @ b - 1
        z = y.T.copy()
        z[1] = (y * y).sum(axis=1)
        return z, total + y.max() + y.sum()

    want = np.zeros(())
    with graphs.stream():
        for number in range(5):
            on_a += number
            a = a + number
            if number == 1:
                before = total.get()
            graphs.call("step", step)
            z, want = on_host(a, want)
            np.testing.assert_allclose(last.get(), z, rtol=1e-4)
            np.testing.assert_allclose(total.get(), want, rtol=1e-4)
    assert before != total.get() and not graphs.refused
    assert IS_REAL or COUNT["graphs"] >= 4


def test_rows_are_taken_and_losses_kept_in_turn() -> None:
    rng = np.random.default_rng(1)
    table = rng.integers(0, 1 << 32, (3, 700), dtype=np.uint32)
    for plain in (False, True):
        rows = table, np.zeros(1, np.int64), np.zeros(700, np.uint32), np.zeros((3, 3))
        there = list(rows) if plain else on_device(*rows)
        as_host = np.asarray if plain else lambda a: a.get()
        for step in range(5):
            take_row(*there[:3])
            np.testing.assert_array_equal(as_host(there[2]), table[step % 3])
            parts = [np.array(step + 0.25 * n) for n in range(3)]
            keep_losses(*(parts if plain else on_device(*parts)), there[3], there[1])
            np.testing.assert_array_equal(as_host(there[3])[step % 3], parts)
        assert as_host(there[1]) == [5]
        np.testing.assert_array_equal(as_host(there[3])[2], [2, 2.25, 2.5])
    for wrong in (rows[2][:5], rows[1]):
        with pytest.raises(ValueError, match="must be"):
            take_row(table, rows[1], wrong)
    with pytest.raises(ValueError, match="must be"):
        keep_losses(*parts, rows[3], np.zeros(2, np.int64))
    with pytest.raises(ValueError, match="one number each"):
        keep_losses(np.zeros(2), *parts[1:], rows[3], rows[1])


def test_rows_of_bytes_and_flat_buffers_hold_what_was_written() -> None:
    """Each at a place that every type may begin at, and none over another."""
    rng = np.random.default_rng(2)
    arrays = {
        "a": rng.random((3, 5)), "b": rng.integers(0, 9, 7, np.uint8), "c": np.float32([1, 2]),
        "d": rng.integers(0, 9, (2, 3), np.int32), "e": rng.random(1),
    }  # fmt: skip
    row = Row(arrays)
    views = row.views(row.written(arrays))
    for name, array in arrays.items():
        np.testing.assert_array_equal(views[name], array)
        assert views[name].dtype == array.dtype and row.places[name][0] % 16 == 0
    flat = Flat(arrays)
    buffer = flat.buffer(arrays, np.float32)
    assert all(at % 64 == 0 for at, _ in flat.places.values()) and buffer.shape == (flat.size,)
    for name, view in flat.views(buffer).items():
        np.testing.assert_array_equal(view, arrays[name].astype(np.float32))
    assert np.count_nonzero(buffer) == sum(np.count_nonzero(a) for a in arrays.values())


@pytest.mark.parametrize("a_t", [False, True])
@pytest.mark.parametrize("b_t", [False, True])
def test_the_product_of_matrices_as_they_lie(a_t: bool, b_t: bool) -> None:
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((4, 5)).astype("f"), rng.standard_normal((5, 3)).astype("f")
    on_a, on_b = on_device(a.T if a_t else a, b.T if b_t else b)
    COUNT.clear()
    got = product(on_a.T if a_t else on_a, on_b.T if b_t else on_b)
    assert IS_REAL or COUNT["copy"] == 0
    np.testing.assert_allclose(got.get(), product(a, b), rtol=1e-4, atol=1e-6)
    got = product(on_a.T[::-1] if a_t else on_a[::-1], on_b.T if b_t else on_b)
    np.testing.assert_allclose(got.get(), a[::-1] @ b, rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match=r"must be \(m, k\) and \(k, n\)"):
        product(a, b.T)

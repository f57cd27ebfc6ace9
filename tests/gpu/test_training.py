"""The loop of training on the device, which is seldom waited for."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gpu.conftest import IS_REAL
from gpu.standin import COUNT
from models import picture

from npuq.backend import Array, why_no_cupy
from npuq.errors import TrainingError
from npuq.models.linear import Loss
from npuq.training import loop
from npuq.training.options import TrainingOptions

pytestmark = pytest.mark.usefixtures("device")

OPTIONS = TrainingOptions(steps=8, batch_size=1, crop=16, alpha_start=0, alpha_end=0)
AT_ONCE = 3


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of few steps has more than one wait; and no kernels, whose emulation takes its time."""
    monkeypatch.setattr(loop, "STEPS_PER_WAIT", AT_ONCE)
    monkeypatch.setenv("NPUQ_KERNELS", "reference")
    assert why_no_cupy() is None  # which waits, once in a process


def train(folder: Path, device: str, options: TrainingOptions = OPTIONS, **more: Any) -> Any:
    def source(*, seed: int, step: int) -> Array:
        rng = np.random.default_rng([seed, step])
        return rng.integers(0, 256, (1, 16, 16, 3), np.uint8)

    validation = np.stack([picture(16, 16, 9), picture(16, 16, 8)])
    more = {"checkpoint_every": 5, "device": device, **more}
    return loop.train_parameters(source, validation, folder, options, **more)


def test_losses_are_fetched_some_at_once(tmp_path: Path) -> None:
    """All of them, in their order, as numbers; and before each row, and at the end."""
    told: dict[str, list[tuple[int, Loss]]] = {"cpu": [], "cuda": []}
    waits: list[int] = []

    def note(step: int, loss: Loss) -> None:
        told[device].append((step, loss))
        waits.append(COUNT["waits"])

    for device in told:
        COUNT.clear()
        waits.clear()
        train(tmp_path / device, device, progress=note)
    for (step, loss), (host_step, host_loss) in zip(told["cuda"], told["cpu"], strict=True):
        assert step == host_step and all(type(part) is float for part in (*loss, *host_loss))
        np.testing.assert_allclose(loss, host_loss, rtol=1e-4)  # single precision, for some steps
    # once for steps 1 to 3; then with a row for 4 and 5, where parameters and figures are looked at
    assert IS_REAL or waits[:AT_ONCE] == [1] * AT_ONCE
    assert IS_REAL or waits[3] == waits[4] < waits[5] == waits[7]
    rows = [(tmp_path / d / "history.csv").read_text().splitlines() for d in told]
    for ours, theirs in zip(*rows, strict=True):
        if ours != theirs:
            numbers = [[float(x) for x in row.split(",")] for row in (ours, theirs)]
            np.testing.assert_allclose(*numbers, rtol=1e-3)


def test_a_run_that_is_stopped_goes_on(tmp_path: Path) -> None:
    """Between two waits; sums of losses that lie on the device go into the checkpoint."""
    steps: list[int] = []
    train(tmp_path / "stopped", "cuda", stop_after=2, progress=lambda step, _: steps.append(step))
    assert steps == [1, 2]
    train(tmp_path / "stopped", "cuda", resume=True)
    train(tmp_path / "whole", "cuda")
    a, b = ((tmp_path / name / "history.csv").read_bytes() for name in ("stopped", "whole"))
    assert a == b


def test_a_loss_that_is_not_finite_is_noticed_at_its_step(tmp_path: Path) -> None:
    """Some steps later, but with its number, and nothing is saved."""
    diverging = dataclasses.replace(OPTIONS, learning_rate=1e30)
    messages = []
    for device in ("cpu", "cuda"):
        with pytest.raises(TrainingError, match="the loss is") as caught:
            train(tmp_path / device, device, diverging)
        messages.append(str(caught.value).partition(" at ")[2])  # inf or nan, as it overflows
        assert not (tmp_path / device / "checkpoint.npz").exists()
    assert messages[0] == messages[1]


def test_an_interruption_saves_nothing_that_diverged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps that nobody has looked at are looked at before they are saved."""
    real = loop.training_step

    def interrupted(state: Any, *args: Any) -> Any:
        if state.step == 2:
            raise KeyboardInterrupt
        after, loss = real(state, *args)
        return after, loss._replace(loss=loss.loss * np.nan) if state.step == 1 else loss

    monkeypatch.setattr(loop, "training_step", interrupted)
    with pytest.raises((TrainingError, KeyboardInterrupt)) as caught:
        train(tmp_path, "cuda")
    assert "the loss is nan at step 1:" in str(caught.value)
    assert not (tmp_path / "checkpoint.npz").exists()

"""Training on the device: the same steps as the host's, recorded, without a wait in them."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from gpu.conftest import IS_REAL
from gpu.recording import Stream
from gpu.standin import COUNT
from models import picture

from npuq.backend import Array, to_host
from npuq.errors import TrainingError
from npuq.models.linear import Loss
from npuq.nn.adam import AdamState, adam_init
from npuq.nn.parameters import named_arrays
from npuq.training import device_steps, loop
from npuq.training.checkpoint import TrainingState
from npuq.training.device_steps import DeviceSteps
from npuq.training.kinds import objective_of
from npuq.training.loop import train_parameters
from npuq.training.options import TrainingOptions
from npuq.training.photographs import Photographs
from npuq.training.random_crops import RandomCrops
from npuq.training.steps import HostSteps

pytestmark = pytest.mark.usefixtures("device")

SOFT = {"alpha_start": 1.0, "alpha_end": 7.0, "batch_size": 2}
PLAIN = {"alpha_start": 0.0, "alpha_end": 0.0, "batch_size": 2}
LINEAR: dict[str, Any] = {"crop": 16, "steps": 8, "smaller_side": (16, 40), "turns": True}
HYPERPRIOR: dict[str, Any] = LINEAR | {
    "model": "hyperprior", "size": (16, 16), "crop": 64, "smaller_side": (64, 80), "start": "klt",
    "learning_rate": 1e-3,
}  # fmt: skip
OPTIONS = {
    "linear, uniform noise": TrainingOptions(**LINEAR, **PLAIN),
    "linear, soft rounding": TrainingOptions(**LINEAR, **SOFT, clip_norm=1.0),
    "linear, annealed from 0": TrainingOptions(
        **LINEAR, **SOFT | {"alpha_start": 0.0}, lmbda_decay=((3, 0.5),), average_steps=3
    ),
    "hyperprior, soft rounding": TrainingOptions(
        **HYPERPRIOR, **SOFT | {"batch_size": 1}, clip_norm=1.0, skip_ratio=5.0, average_steps=3
    ),
}
STEPS = dict(zip(OPTIONS, (3, 3, 5, 4), strict=True))
KINDS = dict(zip(OPTIONS, (1, 1, 3, 1), strict=True))  # alpha 0 or not, and two lambdas
LAUNCHES = {"linear": 60, "hyperprior": 700}


def source_of(options: TrainingOptions) -> RandomCrops:
    photographs = Photographs(tuple(picture(90 - 9 * i, 100, i) for i in range(3)), ())
    return RandomCrops(
        photographs, options.batch_size, options.crop, options.smaller_side, options.turns
    )


def begun(options: TrainingOptions, device: str, **more: Any) -> Any:
    objective = objective_of(options, device)
    like = objective.initial(None)
    params = named_arrays(like)
    state = TrainingState(0, params, adam_init(params), {}, [])
    source = more.pop("source", source_of(options))
    steps = HostSteps if device == "cpu" else DeviceSteps
    return steps(state, like, objective, source, options, options.steps, **more)


def run(steps: Any, stop: int) -> list[Any]:
    losses: list[Any] = []
    while len(losses) < stop:
        losses += steps.advance(stop)
    return losses


def arrays(state: TrainingState) -> dict[str, Array]:
    groups = {"p": state.params, "m": state.adam.m, "v": state.adam.v, "average": state.average}
    return {f"{g} {name}": to_host(a) for g, named in groups.items() for name, a in named.items()}


@pytest.mark.parametrize("name", OPTIONS)
def test_steps_are_those_of_the_host(name: str) -> None:
    """Recorded ones, and in longer runs those that are not, bit for bit; nothing else waits."""
    options, count = OPTIONS[name], STEPS[name]
    host, recorded = begun(options, "cpu"), begun(options, "cuda")
    start = arrays(recorded.state())
    losses = run(host, count)
    COUNT.clear()
    np.testing.assert_allclose(run(recorded, count), losses, rtol=2e-4)
    assert recorded.graphs.refused == {}
    assert IS_REAL or COUNT["waits"] == 1  # for the losses
    assert IS_REAL or COUNT["to device"] <= 3  # rows, and the bases of kernels, once
    assert IS_REAL or COUNT["graphs"] == count - KINDS[name] > 0
    if count > 3:
        eager = begun(options, "cuda", graphs=False)
        COUNT.clear()
        run(eager, count)
        assert IS_REAL or 0 < COUNT["launches"] <= count * LAUNCHES[options.model] + 1
        assert IS_REAL or (COUNT["waits"], COUNT["to device"], COUNT["graphs"]) == (1, 1, 0)
    want, got = host.state(), recorded.state()
    assert arrays(want).keys() == arrays(got).keys()
    for key, array in arrays(want).items():
        if count > 3:
            np.testing.assert_array_equal(arrays(eager.state())[key], arrays(got)[key], key)
        way = np.abs(array - start.get(key, 0)).max()
        assert way > 0 and np.abs(arrays(got)[key] - array).max() <= 0.02 * way, key
    assert got.adam.step == want.adam.step == got.step == count
    assert (got.skipped, got.summed) == (want.skipped, want.summed)
    np.testing.assert_allclose(got.sums, want.sums, rtol=2e-4)
    np.testing.assert_allclose(got.lengths, want.lengths, rtol=1e-3)


class Toy(NamedTuple):
    """Parameters of a loss that is quickly emulated."""

    w: Array
    density: Array


class ToyObjective:
    """The mean of (x w + u / 10 - 1/2)^2, and a hundredth of the density's squares."""

    def initial(self, _: Any) -> Toy:
        return Toy(np.float32([0.1, 0.9, 0.4]), np.float32([[1, -2], [3, 0.5]]))

    def to_model(self, trained: Toy) -> Toy:
        return trained

    def inputs(self, images: Array, noise: Any) -> tuple[Array, ...]:
        return images.astype(np.float32) / np.float32(255), noise(0, images.shape)

    def loss(self, model: Toy, inputs: Any, lmbda: float, softness: Any) -> Loss:
        return self.loss_and_gradient(model, inputs, lmbda, softness)[0]

    def loss_and_gradient(self, model: Toy, inputs: Any, lmbda: float, softness: Any) -> Any:
        x, u = inputs
        error = x * model.w + np.float32(0.1) * u - np.float32(0.5)
        mse = (error * error).sum(dtype=np.float64) / x.size
        bpp = 0.01 * (model.density * model.density).sum(dtype=np.float64)
        d_w = (error * x).sum(axis=(0, 1, 2)) * np.float32(2 / x.size)
        return Loss(bpp + mse, bpp, mse), Toy(d_w, model.density * np.float32(0.02))

    def group(self, name: str) -> str:
        return "density" if name == "density" else "transform"


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> TrainingOptions:
    """Options of a run of the toy."""
    for module in (loop, sys.modules[__name__]):
        monkeypatch.setattr(module, "objective_of", lambda *_: ToyObjective())
    return dataclasses.replace(OPTIONS["linear, uniform noise"], crop=8, batch_size=2, steps=7)


def trained(folder: Path, options: TrainingOptions, device: str, **more: Any) -> dict[str, Array]:
    found = train_parameters(
        more.pop("source", source_of(options)), np.stack([picture(16, 16, 9)]), folder, options,
        device=device, **{"checkpoint_every": 3, **more},
    )  # fmt: skip
    return named_arrays(found)


def agree(ours: dict[str, Array], theirs: dict[str, Array]) -> None:
    for name, array in theirs.items():
        np.testing.assert_allclose(ours[name], array, atol=2e-3 * np.abs(array).max(), rtol=0)


def test_either_device_goes_on_with_the_checkpoint_of_the_other(
    toy: TrainingOptions, tmp_path: Path
) -> None:
    """An exact one: a run that another one of the same device has begun ends in the same bits."""
    options = dataclasses.replace(toy, average_steps=2, skip_ratio=9.0, clip_norm=0.3)
    host, device = (trained(tmp_path / d, options, d) for d in ("cpu", "cuda"))
    agree(device, host)
    for begins, goes_on in (("cpu", "cuda"), ("cuda", "cpu"), ("cuda", "cuda")):
        folder = tmp_path / f"{begins}-{goes_on}"
        trained(folder, options, begins, stop_after=4)
        found = trained(folder, options, goes_on, resume=True)
        agree(found, host)
        rows = [(f / "history.csv").read_text().splitlines() for f in (folder, tmp_path / "cpu")]
        assert len(rows[0]) == len(rows[1]) == 4
        if begins == goes_on:
            for name, array in device.items():
                np.testing.assert_array_equal(found[name], array)
            whole = (tmp_path / "cuda" / "history.csv").read_bytes()
            assert (folder / "history.csv").read_bytes() == whole


@pytest.mark.parametrize("noise", ["philox", "pcg64"])
def test_batches_of_anybody_travel_there(noise: str, toy: Any, tmp_path: Path) -> None:
    """And so does the noise of a run that was begun with NumPy's."""
    options = dataclasses.replace(toy, noise=noise)
    drawn = source_of(options)

    def source(*, seed: int, step: int) -> Array:
        return drawn(seed=seed, step=step)

    found = [trained(tmp_path / d, options, d, source=source, stop_after=2) for d in DEVICES]
    agree(found[1], found[0])
    if noise == "philox":  # the same crops, cut there
        here = trained(tmp_path / "there", options, "cuda", stop_after=2)
        for name, array in found[1].items():
            np.testing.assert_array_equal(here[name], array)


DEVICES = ("cpu", "cuda")


def test_what_cannot_be_recorded_is_done_all_the_same(
    toy: TrainingOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    want = run(begun(toy, "cuda"), 3)
    keep_losses = device_steps.keep_losses

    def waiting(loss: Any, *args: Any) -> None:
        float(loss)
        keep_losses(loss, *args)

    monkeypatch.setattr(device_steps, "keep_losses", waiting)
    steps = begun(toy, "cuda")
    assert run(steps, 3) == want
    (why,) = steps.graphs.refused.values()
    assert IS_REAL or "the host waits for a number" in why
    assert Stream.captured is None


def test_a_training_that_diverges_changes_nothing_more(toy: Any, tmp_path: Path) -> None:
    options = dataclasses.replace(toy, learning_rate=1e30)
    said = []
    for device in DEVICES:
        with pytest.raises(TrainingError, match="the loss is") as caught:
            trained(tmp_path / device, options, device, checkpoint_every=100)
        said.append(str(caught.value))
        assert not (tmp_path / device / "checkpoint.npz").exists()
    assert said[0] == said[1]


def test_an_interruption_loses_nothing(
    toy: TrainingOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = toy
    whole = trained(tmp_path / "whole", options, "cuda")
    monkeypatch.setattr(device_steps, "STEPS_PER_WAIT", 2)

    def interrupt(step: int, loss: Any) -> None:
        if step == 1:  # two are done by now
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "cut", options, "cuda", progress=interrupt)
    found = trained(tmp_path / "cut", options, "cuda", resume=True)
    for name, array in whole.items():
        np.testing.assert_array_equal(found[name], array)
    rows = [(tmp_path / name / "history.csv").read_bytes() for name in ("whole", "cut")]
    assert rows[0] == rows[1]


def test_tf32_is_another_number() -> None:
    options = dataclasses.replace(OPTIONS["linear, uniform noise"], crop=8, batch_size=1)
    fine, rough = (run(begun(options, "cuda", precision=p), 1)[0] for p in ("float32", "tf32"))
    assert fine != rough and np.allclose(fine, rough, rtol=1e-2)


def test_losses_are_fetched_some_at_once(
    toy: TrainingOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them, in their order, as numbers; and before each row, and at the end."""
    monkeypatch.setattr(device_steps, "STEPS_PER_WAIT", 2)
    told: dict[str, list[tuple[int, Loss]]] = {"cpu": [], "cuda": []}
    waits: list[int] = []
    for device, losses in told.items():
        COUNT.clear()

        def note(step: int, loss: Loss, losses: Any = losses) -> None:
            losses.append((step, loss))
            waits.append(COUNT["waits"])

        trained(tmp_path / device, toy, device, progress=note)
    for (step, loss), (host_step, host_loss) in zip(told["cuda"], told["cpu"], strict=True):
        assert step == host_step and all(type(part) is float for part in (*loss, *host_loss))
        np.testing.assert_allclose(loss, host_loss, rtol=1e-4)
    first, second, third, fourth, *_ = waits[toy.steps :]
    # steps 1 and 2; then 3, before a row; a row looks at parameters and figures
    assert IS_REAL or (first == second, third - second, fourth > third + 1) == (True, 1, True)


def test_the_host_makes_what_comes_next_while_the_device_is_at_work(
    toy: TrainingOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no row that is not used: each step's once, in their order."""
    monkeypatch.setattr(device_steps, "STEPS_PER_WAIT", 2)
    happened: list[Any] = []
    numbers, fetch = device_steps.numbers_of_step, device_steps.to_host

    def noted(options: TrainingOptions, step: int) -> Any:
        happened.append(step)
        return numbers(options, step)

    def waiting(array: Any) -> Any:
        happened.append("wait")
        return fetch(array)

    monkeypatch.setattr(device_steps, "numbers_of_step", noted)
    monkeypatch.setattr(device_steps, "to_host", waiting)
    run(begun(dataclasses.replace(toy, steps=5), "cuda"), 5)
    assert happened == [0, 1, 2, 3, "wait", 4, "wait", "wait"]


def test_plain_functions_train_there_as_well(
    toy: TrainingOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    want = trained(tmp_path / "cpu", toy, "cpu")
    monkeypatch.setenv("NPUQ_KERNELS", "reference")
    agree(trained(tmp_path / "cuda", toy, "cuda", source=lambda **k: source_of(toy)(**k)), want)


def test_a_state_that_is_placed_there_comes_back(toy: TrainingOptions) -> None:
    options = dataclasses.replace(toy, skip_ratio=9.0, average_steps=2)
    objective, rng = ToyObjective(), np.random.default_rng(0)
    like = objective.initial(None)

    def drawn() -> dict[str, Array]:
        named = named_arrays(like)
        return {n: rng.standard_normal(a.shape).astype(np.float32) for n, a in named.items()}

    adam = AdamState(9, drawn(), drawn())
    state = TrainingState(5, drawn(), adam, drawn(), [], (1.0, 2.0, 3.0), 4, (0.5, 7.0, 3.0), 2)
    steps = DeviceSteps(state, like, objective, source_of(options), options, options.steps)
    back = steps.state()
    for name, array in arrays(state).items():
        np.testing.assert_array_equal(arrays(back)[name], array)
    assert (back.step, back.sums, back.summed, back.skipped) == (5, (1.0, 2.0, 3.0), 4, 2)
    assert (back.lengths, back.adam.step) == ((0.5, 7.0, 3.0), 9)

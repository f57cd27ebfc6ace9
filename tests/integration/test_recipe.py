"""What a training can do beside following its schedule: average, skip, branch, end on signals."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from integration.test_training import HYPERPRIOR, OPTIONS, PHOTOGRAPHS, SMALL, identical, run

from npuq.backend import Array
from npuq.cli import main
from npuq.errors import TrainingError
from npuq.io.image_writing import write_image
from npuq.models.linear import Loss
from npuq.nn.adam import AdamState, adam_init
from npuq.nn.clipping import TO_JUDGE, is_outlier
from npuq.nn.parameters import named_arrays, with_arrays
from npuq.trained.model_file import load_model
from npuq.training.checkpoint import TrainingState, load_branch, load_checkpoint, save_checkpoint
from npuq.training.kinds import objective_of
from npuq.training.options import TrainingOptions
from npuq.training.run_folder import alone_in
from npuq.training.step import averaged, training_step
from npuq.training.trainable import Objective

RECIPE = dataclasses.replace(
    HYPERPRIOR, coordinates="frequency", warmup_steps=3, rate_schedule="constant",
    cooldown_steps=4, average_steps=3, skip_ratio=10.0, turns=True,
)  # fmt: skip


def state_of(folder: Path, options: TrainingOptions) -> TrainingState:
    like = named_arrays(objective_of(options).initial(None))
    return load_checkpoint(folder / "checkpoint.npz", options, {}, like)


# ---- averages


def test_the_average_is_the_mean_at_first_and_forgets_then(rng_arrays: list[Array]) -> None:
    average: dict[str, Array] = {}
    for step, array in enumerate(rng_arrays, start=1):
        average = averaged(average, {"a": array}, min(step, 4))
        if step <= 4:
            np.testing.assert_allclose(average["a"], np.mean(rng_arrays[:step], axis=0), rtol=1e-12)
    # mean of the first four, then each new one with weight 1/4
    expected = np.mean(rng_arrays[:4], axis=0)
    for array in rng_arrays[4:]:
        expected = 0.75 * expected + 0.25 * array
    np.testing.assert_allclose(average["a"], expected, rtol=1e-12)


@pytest.fixture
def rng_arrays() -> list[Array]:
    return list(np.random.default_rng(2).standard_normal((9, 3, 2)))


def test_the_average_is_what_is_validated_and_saved(tmp_path: Path) -> None:
    plain = dataclasses.replace(OPTIONS, steps=4)
    averaging = dataclasses.replace(plain, average_steps=50)
    for n in (1, 2, 3, 4):
        run(tmp_path / str(n), plain, stop_after=n)
    steps = [state_of(tmp_path / str(n), plain).params for n in (1, 2, 3, 4)]
    found = run(tmp_path / "a", averaging)
    average = state_of(tmp_path / "a", averaging).average
    for name, array in average.items():
        mean = np.mean([step[name] for step in steps], axis=0, dtype=np.float64)
        # a running mean in float32: each of three updates rounds thrice, by half of eps at most
        scale = np.abs(steps[-1][name]).max()
        atol = 4.5 * np.finfo(np.float32).eps * scale
        np.testing.assert_allclose(array, mean, atol=atol, rtol=0)
        assert np.abs(array - steps[-1][name]).max() > 1e-5 * scale, name
    objective = objective_of(averaging)
    saved = objective.to_model(with_arrays(objective.initial(None), average))
    assert identical(found, saved)
    histories = [(tmp_path / n / "history.csv").read_text().splitlines()[-1] for n in "4a"]
    losses, held_out = zip(*(row.split(",")[3:7:3] for row in histories), strict=True)
    assert losses[0] == losses[1]  # training goes on from the last parameters
    assert held_out[0] != held_out[1]


# ---- outliers


def test_an_outlier_is_longer_than_so_many_medians() -> None:
    before = [1.0, 3.0] * (TO_JUDGE // 2) + [2.0]
    assert not is_outlier(20.0, before, 10.0)
    assert is_outlier(20.1, before, 10.0)
    assert not is_outlier(1e9, before[: TO_JUDGE - 1], 10.0)


class Bumpy:
    """An objective whose gradient is a thousand times as long in one step."""

    def __init__(self, objective: Objective, at: int) -> None:
        self.objective, self.at, self.step = objective, at, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.objective, name)

    def loss_and_gradient(self, *args: Any) -> tuple[Loss, Any]:
        loss, gradients = self.objective.loss_and_gradient(*args)
        factor = 1000.0 if self.step == self.at else 1.0
        self.step += 1
        return loss, with_arrays(
            gradients, {n: np.float32(factor) * d for n, d in named_arrays(gradients).items()}
        )


def test_a_step_with_an_outlying_gradient_changes_nothing_and_is_counted() -> None:
    options = dataclasses.replace(OPTIONS, skip_ratio=10.0, average_steps=5, steps=100)
    objective: Any = Bumpy(objective_of(options), TO_JUDGE + 1)
    like = objective.initial(None)
    params = named_arrays(like)
    state = TrainingState(0, params, adam_init(params), {}, [])
    images = np.stack([image[:32, :32] for image in PHOTOGRAPHS])
    inputs = objective.inputs(images, lambda tensor, shape: np.zeros(shape, np.float32))
    for step in range(TO_JUDGE + 3):
        before = state
        state, loss = training_step(state, like, objective, inputs, options)
        moved = any(not np.array_equal(state.params[n], before.params[n]) for n in params)
        skips = step == TO_JUDGE + 1
        assert moved != skips
        assert (state.adam is before.adam) == (state.average is before.average) == skips
        assert state.step == step + 1 == state.summed
        assert state.skipped == int(step > TO_JUDGE)
    assert state.adam.step == TO_JUDGE + 2
    assert len(state.lengths) == TO_JUDGE + 3 and max(state.lengths) == state.lengths[TO_JUDGE + 1]


# ---- going on


@pytest.mark.slow
@pytest.mark.parametrize("stops", [(5,), (1, 2, 7), (11,)])
def test_all_of_the_recipe_resumes_bit_for_bit(tmp_path: Path, stops: tuple[int, ...]) -> None:
    for number, stop in enumerate(stops):
        run(tmp_path / "a", RECIPE, resume=number > 0, stop_after=stop)
    resumed = run(tmp_path / "a", RECIPE, resume=True)
    assert identical(run(tmp_path / "b", RECIPE), resumed)
    a, b = (state_of(tmp_path / name, RECIPE) for name in "ab")
    assert (a.lengths, a.skipped, a.adam.step) == (b.lengths, b.skipped, b.adam.step)
    for name, array in a.average.items():
        assert array.tobytes() == b.average[name].tobytes()


def test_a_branch_begins_with_parameters_and_moments_of_the_trunk(tmp_path: Path) -> None:
    trunk = dataclasses.replace(RECIPE, cooldown_steps=0, steps=1000)
    run(tmp_path / "trunk", trunk, stop_after=6)
    checkpoint = tmp_path / "trunk" / "checkpoint.npz"
    branch = dataclasses.replace(
        RECIPE, lmbda=0.003, alpha_start=1.0, alpha_end=7.0, steps=5, cooldown_steps=5,
        warmup_steps=0, density_only_steps=0,
    )  # fmt: skip
    parent = state_of(tmp_path / "trunk", trunk)
    start = load_branch(checkpoint, parent.params)
    assert (start.step, start.adam.step, start.history) == (0, 6, [])
    assert start.lengths == parent.lengths and len(set(start.lengths)) == 6
    for ours, theirs in (
        (start.params, parent.params), (start.adam.m, parent.adam.m),
        (start.adam.v, parent.adam.v), (start.average, parent.average),
    ):  # fmt: skip
        assert all(ours[name].tobytes() == theirs[name].tobytes() for name in parent.params)
    whole = run(tmp_path / "a", branch, branch_from=checkpoint)
    run(tmp_path / "b", branch, branch_from=checkpoint, stop_after=2)
    assert identical(run(tmp_path / "b", branch, resume=True), whole)
    assert not identical(run(tmp_path / "c", branch), whole)  # from the beginning


def test_what_a_state_counts_is_saved(tmp_path: Path) -> None:
    one = {"w": np.float32([1.5, -2.0])}
    counts = {"summed": 3, "lengths": (0.5, 2.25, 7.0), "skipped": 4, "sums": (1.5, 0.5, 80.0)}
    history = [[5.0, 0.0125, *range(7)]]
    state = TrainingState(9, one, AdamState(5, one, one), {"w": 2 * one["w"]}, history, **counts)
    path = tmp_path / "checkpoint.npz"
    save_checkpoint(path, state, OPTIONS, {})
    found = load_checkpoint(path, OPTIONS, {}, one)
    assert found._replace(params={}, adam=None, average={}) == state._replace(
        params={}, adam=None, average={}
    )
    assert found.adam.step == 5
    np.testing.assert_array_equal(found.average["w"], [3.0, -4.0])


def test_a_branch_of_another_size_is_refused(tmp_path: Path) -> None:
    run(tmp_path / "trunk", HYPERPRIOR, stop_after=1)
    other = dataclasses.replace(HYPERPRIOR, size=(4, 8))
    with pytest.raises(TrainingError, match="does not hold the state of such a run"):
        run(tmp_path / "branch", other, branch_from=tmp_path / "trunk" / "checkpoint.npz")
    with pytest.raises(TrainingError, match="no checkpoint"):
        run(tmp_path / "branch", other, branch_from=tmp_path / "nothing.npz")


# ---- one at a time, and to the end


def test_two_trainings_in_one_folder_do_not_overwrite_each_other(tmp_path: Path) -> None:
    with (
        alone_in(tmp_path / "run", resume=False),
        pytest.raises(TrainingError, match="another training is at work"),
    ):
        run(tmp_path / "run")
    run(tmp_path / "run", stop_after=1)  # the lock has gone


def test_a_run_that_ended_while_one_waited_is_not_trained_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from npuq.training import run_folder

    lock = run_folder.fcntl.flock

    def late(handle: int, how: int) -> None:
        (tmp_path / "checkpoint.npz").write_bytes(b"of the other run")
        lock(handle, how)

    monkeypatch.setattr(run_folder.fcntl, "flock", late)
    with pytest.raises(TrainingError, match="exists"), alone_in(tmp_path, resume=False):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("kernels", ["", "reference"])
def test_a_diverging_hyperprior_training_says_so(
    kernels: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPUQ_KERNELS", kernels)
    for number, softness in enumerate(({}, {"alpha_start": 90.0, "alpha_end": 90.0})):
        wild = dataclasses.replace(
            HYPERPRIOR, learning_rate=1e10, density_only_steps=0, clip_norm=None,
            alpha_start=0.0, alpha_end=0.0,
        )  # fmt: skip
        wild = dataclasses.replace(wild, **softness)
        with pytest.raises(TrainingError, match="diverges.*--branch-from.*--learning-rate"):
            run(tmp_path / str(number), wild)


def test_parameters_that_are_no_numbers_are_not_saved(tmp_path: Path) -> None:
    wild = dataclasses.replace(OPTIONS, learning_rate=1e30)
    with pytest.raises(TrainingError, match="diverges"):
        run(tmp_path, wild, checkpoint_every=1)
    # a row was due after each step; whatever is there is of numbers
    if (tmp_path / "checkpoint.npz").exists():
        for array in state_of(tmp_path, wild).params.values():
            assert np.isfinite(array).all()


# ---- the command


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("photographs")
    for number, image in enumerate(PHOTOGRAPHS):
        write_image(folder / f"{number}.png", image)
    return str(folder)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_saves_the_run(photographs: str, tmp_path: Path, name: str) -> None:
    if signal.getsignal(getattr(signal, name)) == signal.SIG_IGN:
        pytest.skip(f"whoever started the tests ignores {name}, and so does what they start")
    out = tmp_path / "run"
    command = ["train", photographs, str(out), *SMALL, "--steps=100000", "--checkpoint-every=5"]
    with subprocess.Popen(
        [sys.executable, "-m", "npuq", *command], stderr=subprocess.PIPE, text=True
    ) as process:
        while not (out / "history.csv").exists() and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(getattr(signal, name))
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + getattr(signal, name)
    assert "interrupted; to go on: npuq train" in errors.splitlines()[-1]
    assert "Traceback" not in errors
    with np.load(out / "checkpoint.npz") as file:
        assert b'"step"' in file["manifest"].tobytes()
    assert not [file for file in out.iterdir() if file.name.startswith(".npuq")]


@pytest.mark.slow
def test_the_command_branches(
    photographs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trunk, branch = tmp_path / "trunk", tmp_path / "branch"
    assert main(["train", photographs, str(trunk), *SMALL, "--preset=fast-un"]) == 0
    command = ["train", photographs, str(branch), *SMALL, "--preset=fast-sr", "--lmbda=0.05"]
    start = f"--branch-from={trunk}/checkpoint.npz"
    assert main([*command, start]) == 0
    first = load_model(branch / "model.npz")
    assert (first.alpha, first.lmbda) == (16.0, 0.05)
    assert first.training["branch_from"].startswith("trunk step 6 ")
    assert first.training["skipped"] == 0
    (branch / "model.npz").unlink()
    assert main([*command, "--resume"]) == 0
    assert load_model(branch / "model.npz").hash == first.hash
    capsys.readouterr()
    for other in ("--resume", f"--init-model={trunk}/model.npz"):
        assert main([*command[:2], str(tmp_path / "no"), *command[3:], start, other]) == 2
        assert other.split("=")[0] in capsys.readouterr().err


def test_a_model_of_fewer_latents_is_grown(photographs: str, tmp_path: Path) -> None:
    sizes = ["--crop=64", "--validation-crop=64", "--smaller-side=64,70", "--model=hyperprior"]
    small = ["train", photographs, str(tmp_path / "a"), *SMALL, *sizes, "--size=4,6"]
    assert main(small) == 0
    large = ["train", photographs, str(tmp_path / "b"), *SMALL, *sizes, "--size=4,8"]
    assert main([*large, f"--init-model={tmp_path}/a/model.npz"]) == 0
    assert load_model(tmp_path / "b" / "model.npz").params.analysis[-1].w.shape[0] == 8


def test_a_run_says_how_many_photographs_it_has(
    photographs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", photographs, str(tmp_path / "a"), *SMALL]) == 0
    assert "2 photographs for training, 1 kept aside" in capsys.readouterr().err
    single = tmp_path / "single"
    single.mkdir()
    write_image(single / "0.png", PHOTOGRAPHS[0])
    assert main(["train", str(single), str(tmp_path / "b"), *SMALL]) == 0
    assert "1 photographs for training, none to keep aside" in capsys.readouterr().err
    # a short run has rows as well
    assert len((tmp_path / "b" / "history.csv").read_text().splitlines()) == 7


def test_training_with_turns_sees_turned_crops(photographs: str, tmp_path: Path) -> None:
    for name, turns in (("a", "--no-turns"), ("b", "--turns")):
        assert main(["train", photographs, str(tmp_path / name), *SMALL, turns]) == 0
    a, b = (load_model(tmp_path / name / "model.npz") for name in "ab")
    assert not identical(a.params, b.params)

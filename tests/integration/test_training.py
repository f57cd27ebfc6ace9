"""Training runs as files: the same seed, interruptions, foreign checkpoints, and `npuq train`."""

from __future__ import annotations

import csv
import dataclasses
import functools
import json
import math
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models import picture, tiny_hyperprior

import npuq
from npuq.backend import Array
from npuq.cli import main
from npuq.cli.settings import SETTINGS
from npuq.errors import TrainingError
from npuq.io.image_writing import write_image
from npuq.models.linear import LinearParams, Loss
from npuq.nn.clipping import clipped, gradient_length
from npuq.nn.parameters import named_arrays
from npuq.trained.model_file import load_model
from npuq.training import dead_leaves
from npuq.training import loop as training
from npuq.training.checkpoint import HISTORY, load_checkpoint
from npuq.training.kinds import objective_of
from npuq.training.loop import train_parameters
from npuq.training.options import TrainingOptions
from npuq.training.photographs import training_batch
from npuq.training.presets import PRESETS
from npuq.training.run_folder import check_folder
from npuq.training.step import noise_of_step, noise_of_validation
from npuq.training.train import train

OPTIONS = TrainingOptions(
    steps=12, batch_size=2, crop=32, smaller_side=(40, 60), alpha_start=1.0, alpha_end=16.0, seed=3
)
PHOTOGRAPHS = [picture(64, 80, seed) for seed in range(3)]
VALIDATION = np.stack([picture(64, 64, 9)])
HYPERPRIOR = dataclasses.replace(
    OPTIONS, model="hyperprior", size=(4, 6), crop=64, smaller_side=(64, 70), clip_norm=1.0,
    density_only_steps=3, learning_rate=1e-3, start="klt",
)  # fmt: skip
SMALL = [
    "--steps=6", "--batch-size=2", "--crop=32", "--smaller-side=40,60", "--validation-crop=32",
    "--seed=3",
]  # fmt: skip


def run(folder: Path, options: TrainingOptions = OPTIONS, **more: Any) -> LinearParams:
    source = functools.partial(
        training_batch,
        PHOTOGRAPHS,
        batch_size=options.batch_size,
        crop=options.crop,
        smaller_side=options.smaller_side,
    )
    return train_parameters(source, VALIDATION, folder, options, **{"checkpoint_every": 5, **more})


def arrays(params: LinearParams) -> list[Array]:
    return list(named_arrays(params).values())


def identical(a: LinearParams, b: LinearParams) -> bool:
    return all(x.tobytes() == y.tobytes() for x, y in zip(arrays(a), arrays(b), strict=True))


def history(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[LinearParams, Path]:
    """A run from end to end, to compare with."""
    folder = tmp_path_factory.mktemp("whole")
    return run(folder), folder


def test_the_same_seed_gives_the_same_parameters(whole: Any, tmp_path: Path) -> None:
    assert identical(run(tmp_path), whole[0])


def test_another_seed_gives_others(whole: Any, tmp_path: Path) -> None:
    assert not identical(run(tmp_path, dataclasses.replace(OPTIONS, seed=4)), whole[0])


@pytest.mark.slow
@pytest.mark.parametrize("stops", [(5,), (1, 2, 7), (11,), (0,)])
def test_resuming_gives_bit_for_bit_the_uninterrupted_run(
    whole: Any, tmp_path: Path, stops: tuple[int, ...]
) -> None:
    for number, stop in enumerate(stops):
        run(tmp_path, resume=number > 0, stop_after=stop)
    assert identical(run(tmp_path, resume=True), whole[0])


def test_ctrl_c_leaves_a_checkpoint_to_resume_from(whole: Any, tmp_path: Path) -> None:
    def interrupt(step: int, loss: Loss) -> None:
        if step == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, progress=interrupt)
    assert identical(run(tmp_path, resume=True), whole[0])
    # all rows, those too that average over steps before and after the interruption
    assert (tmp_path / "history.csv").read_bytes() == (whole[1] / "history.csv").read_bytes()


def test_an_interruption_while_a_row_is_made_loses_nothing(
    whole: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> Loss:
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "validation_loss", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    monkeypatch.undo()
    assert identical(run(tmp_path, resume=True), whole[0])
    assert (tmp_path / "history.csv").read_bytes() == (whole[1] / "history.csv").read_bytes()


def test_resuming_a_finished_run_changes_nothing(whole: Any, tmp_path: Path) -> None:
    run(tmp_path)
    before = (tmp_path / "checkpoint.npz").read_bytes()
    assert identical(run(tmp_path, resume=True), whole[0])
    assert (tmp_path / "checkpoint.npz").read_bytes() == before


def test_plain_noise_resumes_as_well(tmp_path: Path) -> None:
    options = dataclasses.replace(OPTIONS, alpha_start=0.0, alpha_end=0.0, steps=4)
    run(tmp_path / "b", options, stop_after=2)
    assert identical(run(tmp_path / "a", options), run(tmp_path / "b", options, resume=True))


@pytest.mark.slow
def test_the_hyperprior_model_resumes_bit_for_bit_as_well(tmp_path: Path) -> None:
    for number, stop in enumerate((2, 7, None)):
        resumed = run(tmp_path / "a", HYPERPRIOR, resume=number > 0, stop_after=stop)
    assert identical(run(tmp_path / "b", HYPERPRIOR), resumed)
    rows = [(tmp_path / folder / "history.csv").read_bytes() for folder in "ab"]
    assert rows[0] == rows[1]


def test_encoder_and_decoder_rest_at_first_and_all_parameters_move_then(tmp_path: Path) -> None:
    objective = objective_of(HYPERPRIOR)
    start = named_arrays(objective.to_model(objective.initial(None)))
    resting = named_arrays(run(tmp_path, HYPERPRIOR, stop_after=3))
    moved = named_arrays(run(tmp_path, HYPERPRIOR, resume=True))
    for name, array in start.items():
        transform = name.startswith(("analysis", "synthesis"))
        assert np.array_equal(array, resting[name]) == transform, name
        assert not np.array_equal(array, moved[name]), name


def test_clipping_keeps_the_direction_and_bounds_the_length() -> None:
    gradients = {"a": np.array([3.0, 0.0]), "b": np.array([[4.0]])}
    length = gradient_length(gradients)
    assert length == 5.0
    assert clipped(gradients, length, None) is clipped(gradients, length, 5.0) is gradients
    shorter = clipped(gradients, length, 2.5)
    np.testing.assert_allclose(shorter["a"], [1.5, 0.0])
    np.testing.assert_allclose(shorter["b"], [[2.0]])


def test_the_history_has_a_row_per_checkpoint_and_one_at_the_end(whole: Any) -> None:
    rows = history(whole[1])
    assert tuple(rows[0]) == HISTORY
    assert [row["step"] for row in rows] == ["5", "10", "12"]
    for row in rows:
        assert all(math.isfinite(float(value)) for value in row.values())
        total = float(row["bpp"]) + float(row["lmbda"]) * float(row["mse"])
        assert float(row["loss"]) == pytest.approx(total, rel=1e-4)  # six digits are written


def test_progress_reports_each_step_once(tmp_path: Path) -> None:
    steps: list[int] = []
    run(tmp_path, stop_after=3, progress=lambda step, loss: steps.append(step))
    run(tmp_path, resume=True, stop_after=5, progress=lambda step, loss: steps.append(step))
    assert steps == [1, 2, 3, 4, 5]


@pytest.mark.slow
def test_training_lowers_the_loss(tmp_path: Path) -> None:
    options = dataclasses.replace(OPTIONS, steps=40, density_rate=30.0)
    losses: list[float] = []
    run(tmp_path, options, progress=lambda step, loss: losses.append(loss.loss))
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:5])


def test_a_run_is_not_trained_over_and_not_resumed_from_nothing(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no checkpoint"):
        run(tmp_path, resume=True)
    run(tmp_path, stop_after=1)
    with pytest.raises(TrainingError, match="exists"):
        run(tmp_path)


def test_a_checkpoint_of_other_options_is_refused_by_their_names(tmp_path: Path) -> None:
    run(tmp_path, stop_after=1)
    other = dataclasses.replace(OPTIONS, lmbda=0.5, steps=13)
    with pytest.raises(TrainingError, match="lmbda 0.0125, not 0.5; steps 12, not 13"):
        run(tmp_path, other, resume=True)


@pytest.mark.parametrize("damage", [lambda d: d[:100], lambda d: b"", lambda d: b"PK" + d[2:1000]])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, damage: Any) -> None:
    run(tmp_path, stop_after=1)
    checkpoint = tmp_path / "checkpoint.npz"
    checkpoint.write_bytes(damage(checkpoint.read_bytes()))
    with pytest.raises(TrainingError, match="not a checkpoint"):
        run(tmp_path, resume=True)


def test_damage_anywhere_in_a_checkpoint_is_refused_or_without_effect(tmp_path: Path) -> None:
    run(tmp_path, stop_after=1)
    checkpoint = tmp_path / "checkpoint.npz"
    whole = checkpoint.read_bytes()
    like = named_arrays(objective_of(OPTIONS).initial(None))
    expected = load_checkpoint(checkpoint, OPTIONS, {}, like)
    rng = np.random.default_rng(0)
    # the directory at the end says how to read the rest, and is short: half of the damage is there
    places = [*rng.integers(len(whole), size=40), *rng.integers(-1000, 0, size=60)]
    refused = 0
    for place in places:
        data = bytearray(whole)
        data[place] ^= 1 << int(rng.integers(8))
        checkpoint.write_bytes(data)
        try:
            state = load_checkpoint(checkpoint, OPTIONS, {}, like)
        except TrainingError:
            refused += 1
            continue
        for name, array in expected.params.items():  # a time stamp, or the like
            assert state.params[name].tobytes() == array.tobytes()
    assert refused > 50


def with_manifest(**changes: Any) -> Any:
    """What makes the arrays of a checkpoint into those of one with another manifest."""

    def change(arrays: dict[str, Array]) -> dict[str, Array]:
        manifest = json.loads(arrays["manifest"].tobytes()) | changes
        return arrays | {"manifest": np.frombuffer(json.dumps(manifest).encode(), np.uint8)}

    return change


@pytest.mark.parametrize(
    "change",
    [
        with_manifest(step=math.inf),
        with_manifest(step=-5),
        with_manifest(step=10**9),
        with_manifest(step=True),
        with_manifest(adam_step=-1),
        with_manifest(summed=-2),
        with_manifest(summed=3),
        with_manifest(skipped=2),
        with_manifest(sums=[1.0, 2.0]),
        with_manifest(sums=None),
        with_manifest(lengths=3),
        lambda arrays: arrays | {"history": np.zeros((3, 2))},
        lambda arrays: arrays | {"history": np.zeros((1, 9, 1))},
        lambda arrays: arrays | {"history": np.array([["a"] * 9])},
        lambda arrays: arrays | {"manifest": np.frombuffer(b"[1, 2]", np.uint8)},
        lambda arrays: arrays | {"manifest": np.frombuffer(b'{"format": 2}', np.uint8)},
        lambda arrays: {name: a for name, a in arrays.items() if not name.startswith("m/")},
        lambda arrays: arrays | {"params/analysis": arrays["params/analysis"][:5]},
        lambda arrays: arrays | {"v/analysis": arrays["v/analysis"].astype(np.float64)},
    ],
    ids=[
        "step infinite",
        "step negative",
        "step beyond the run",
        "step no number",
        "adam_step",
        "summed negative",
        "summed more than done",
        "skipped more than done",
        "two sums",
        "no sums",
        "lengths",
        "history narrow",
        "history deep",
        "history of words",
        "list",
        "empty",
        "group",
        "shape",
        "type",
    ],  # fmt: skip
)
def test_a_sound_archive_of_something_else_is_refused(tmp_path: Path, change: Any) -> None:
    run(tmp_path, stop_after=1)
    checkpoint = tmp_path / "checkpoint.npz"
    with np.load(checkpoint) as file:
        changed = change(dict(file))
    np.savez(checkpoint, **changed)
    with pytest.raises(TrainingError, match=r"checkpoint\.npz"):
        run(tmp_path, resume=True)


def test_a_run_goes_on_with_its_own_data_only(tmp_path: Path) -> None:
    run(tmp_path, stop_after=1, provenance={"data": "a", "files": 3})
    run(tmp_path, stop_after=2, provenance={"data": "a", "files": 3}, resume=True)
    with pytest.raises(TrainingError, match="files 3, not 4"):
        run(tmp_path, provenance={"data": "a", "files": 4}, resume=True)
    with pytest.raises(TrainingError, match="data a, not absent; files 3, not absent"):
        run(tmp_path, resume=True)


def test_a_folder_that_cannot_be_written_in_is_noticed_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(dir: Path) -> None:  # noqa: A002
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(TrainingError, match="cannot write in .*Permission denied"):
        check_folder(tmp_path / "run", resume=False)


def test_a_model_to_start_from_must_be_of_the_kind_and_size() -> None:
    hyper = TrainingOptions(model="hyperprior", size=(3, 4), crop=64, start="random")
    wide = objective_of(dataclasses.replace(hyper, size=(4, 4))).initial(None)
    with pytest.raises(ValueError, match="3 channels and at most 4 latents, not 4 and 4"):
        objective_of(hyper).initial(wide)
    many = objective_of(dataclasses.replace(hyper, size=(3, 6))).initial(None)
    with pytest.raises(ValueError, match="at most 4 latents, not 3 and 6"):
        objective_of(hyper).initial(many)
    with pytest.raises(ValueError, match="LinearParams"):
        objective_of(OPTIONS).initial(wide)


def test_a_diverging_run_stops_with_one_error_and_no_warnings(tmp_path: Path) -> None:
    wild = dataclasses.replace(OPTIONS, learning_rate=1e30)
    with warnings.catch_warnings(), pytest.raises(TrainingError, match="--learning-rate"):
        warnings.simplefilter("error")
        run(tmp_path, wild)


def test_no_noise_is_that_of_another_step_tensor_run_or_validation() -> None:
    seed = 0x6E6F6973  # that of the validation noise
    noises = [noise_of_step(s, t) for s in (3, seed) for t in range(3)]
    noises += [noise_of_validation(n) for n in range(3)]
    drawn = [noise(tensor, (2, 50)) for noise in noises for tensor in range(2)]
    assert len({float(u[0, 0]) for u in drawn}) == len(drawn) == 18
    correlations = np.corrcoef([u.ravel() for u in drawn]) - np.eye(len(drawn))
    assert np.abs(correlations).max() < 0.5
    assert all(u.dtype == np.float32 and -0.5 <= u.min() <= u.max() < 0.5 for u in drawn)


def test_streams_of_randomness_have_nothing_in_common(monkeypatch: pytest.MonkeyPatch) -> None:
    """The random numbers of batches, noise, initialisation, pictures and validation differ."""
    seeds: list[Any] = []
    rng = np.random.default_rng

    def noted(seed: Any) -> np.random.Generator:
        seeds.append(seed)
        return rng(seed)

    monkeypatch.setattr(np.random, "default_rng", noted)
    for step in range(2):
        for tensor in range(2):
            noise_of_step(3, step, generator="pcg64")(tensor, (1,))
            noise_of_validation(step, generator="pcg64")(tensor, (1,))
        training_batch(PHOTOGRAPHS, seed=3, step=step, batch_size=1, crop=8)
        dead_leaves.dead_leaves_batch(seed=3, step=step, batch_size=3, crop=8)
    dead_leaves.dead_leaves_validation(seed=3, count=3, crop=8)
    objective_of(OPTIONS).initial(None)
    # the first number of each generator, as zeros at the end of a seed change nothing
    assert len({rng(seed).random() for seed in seeds}) == len(seeds) == 20
    # those of photographs are what the models that come with npuq were trained with
    assert [seed for seed in seeds if seed[0] == 3] == [
        [3, 0, 1],
        [3, 0, 1, 1],
        [3, 0],
        [3, 1, 1],
        [3, 1, 1, 1],
        [3, 1],
        [3, 2],
    ]


# ---- the command


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("photographs")
    for number, image in enumerate(PHOTOGRAPHS):
        write_image(folder / f"{number}.png", image)
    return str(folder)


def test_every_setting_is_an_option() -> None:
    fields = {field.name for field in dataclasses.fields(TrainingOptions)}
    assert {name for name, *_ in SETTINGS} == fields


@pytest.mark.parametrize("quantizer", ["annealed", "shared-shift"])
def test_models_of_older_quantizers_are_for_rounding_and_plain_dither(
    photographs: str, tmp_path: Path, quantizer: str
) -> None:
    """Also after annealing without noise: the model is not one of soft rounding."""
    command = ["train", photographs, str(tmp_path), f"--quantizer={quantizer}", *SMALL]
    kind = ["--preset=fast-sr"] if quantizer == "annealed" else ["--preset=fast-un"]
    assert main(command + kind) == 0
    model = load_model(tmp_path / "model.npz")
    assert model.alpha == 0
    assert model.training["options"]["quantizer"] == quantizer
    image = picture(32, 40)
    for method in ("un+q", "un+uq"):
        data = npuq.compress(image, method=method, model=model)
        assert npuq.decompress(data, model=model).shape == image.shape


def test_older_quantizers_are_for_the_linear_model(
    photographs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", photographs, str(tmp_path), "--model=hyperprior", "--quantizer=stochastic"]
    assert main(command) == 2
    assert "quantizer must be noise for the hyperprior model" in capsys.readouterr().err


def test_the_command_writes_a_model_that_says_how_it_was_made(
    photographs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    command = ["train", photographs, str(out), "--preset=fast-sr", "--alpha-end=7.3", *SMALL]
    assert main(command) == 0
    printed = capsys.readouterr()
    assert "6/6" in printed.err and "bpp" in printed.err and "dB" in printed.err
    model = load_model(out / "model.npz")
    assert model.hash.hex() in printed.out
    assert model.name == "run"
    assert model.alpha == pytest.approx(7.3)
    options = model.training["options"]
    assert options["steps"] == 6 and options["smaller_side"] == [40, 60]
    assert options["learning_rate"] == (
        PRESETS["fast-sr"].get("learning_rate", TrainingOptions().learning_rate)
    )
    assert {file.name for file in out.iterdir()} == {"checkpoint.npz", "history.csv", "model.npz"}

    # a finished run only writes its model again
    (out / "model.npz").unlink()
    assert main([*command, "--resume"]) == 0
    assert load_model(out / "model.npz").hash == model.hash

    # and a new one starts from it
    again = ["train", photographs, str(tmp_path / "next"), *SMALL, "--preset=fast-un"]
    assert main([*again, f"--init-model={out}/model.npz", "--name=next one"]) == 0
    successor = load_model(tmp_path / "next" / "model.npz")
    assert (successor.name, successor.alpha) == ("next one", 0.0)
    assert model.hash.hex() in successor.training["init_model"]


def test_one_call_from_python_makes_the_file_that_the_command_makes(
    photographs: str, tmp_path: Path
) -> None:
    """From photographs to a model that compresses."""
    options = TrainingOptions(
        **PRESETS["fast-sr"]
        | {"steps": 6, "batch_size": 2, "crop": 32, "smaller_side": (40, 60), "seed": 3}
    )
    told: list[str] = []
    model = train(
        photographs, tmp_path / "a", options, name="x", preset="fast-sr", validation_crop=32,
        report=told.append,
    )  # fmt: skip
    assert len(told) == 1 and "photographs for training" in told[0]
    assert (model.name, model.alpha) == ("x", 16.0)
    assert main(["train", photographs, str(tmp_path / "b"), *SMALL, "--name=x"]) == 0
    ours, theirs = (load_model(tmp_path / folder / "model.npz") for folder in "ab")
    assert ours.hash == theirs.hash == model.hash and ours.training == theirs.training
    image = picture(32, 40)
    assert npuq.decompress(npuq.compress(image, model=model), model=ours).shape == image.shape


def test_one_call_from_python_is_as_its_docstring_says() -> None:
    """All lines of the example before the call itself, which would take an hour."""
    lines = re.findall(r">>> (.*)", train.__doc__ or "")
    call = next(i for i, line in enumerate(lines) if "train(" in line)
    names: dict[str, Any] = {}
    exec("\n".join(lines[:call]), names)
    assert names["options"] == TrainingOptions(**PRESETS["fast-sr"])


def test_one_call_from_python_refuses_what_the_options_do_not_fit(
    photographs: str, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="multiple of 8, not 33"):
        train(photographs, tmp_path / "a", OPTIONS, validation_crop=33)
    with pytest.raises(TrainingError, match="another kind or size"):
        train(photographs, tmp_path / "a", OPTIONS, validation_crop=32, start=tiny_hyperprior())
    assert not (tmp_path / "a").exists()


def test_procedural_pictures_need_no_folder(tmp_path: Path) -> None:
    assert main(["train", "dead-leaves", str(tmp_path), *SMALL]) == 0
    assert load_model(tmp_path / "model.npz").training["data"] == "dead-leaves"
    assert math.isfinite(float(history(tmp_path)[-1]["validation_loss"]))


@pytest.mark.slow
def test_the_command_trains_the_hyperprior_model(
    photographs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In half precision; and a model of another kind or size is no start for it."""
    sizes = ["--crop=64", "--validation-crop=64", "--smaller-side=64,70", "--size=4,6"]
    command = ["train", photographs, str(tmp_path / "run"), "--model=hyperprior", *SMALL, *sizes]
    assert main(command) == 0
    model = load_model(tmp_path / "run" / "model.npz")
    assert (model.kind, model.alpha) == ("hyperprior", 16.0)
    assert model.training["preset"] == "fast-hyperprior-sr"
    assert model.training["options"]["size"] == [4, 6]
    for array in named_arrays(model.params).values():
        np.testing.assert_array_equal(array, array.astype(np.float16))
    start = f"--init-model={tmp_path}/run/model.npz"
    assert main([*command[:2], str(tmp_path / "next"), *command[3:], start]) == 0
    capsys.readouterr()
    for other in ([*command, "--size=4,4"], ["train", photographs, "", *SMALL]):
        assert main([*other[:2], str(tmp_path / "no"), *other[3:], start]) == 2
        assert "another kind or size" in capsys.readouterr().err
    assert main([*command[:2], str(tmp_path / "no"), *command[3:], "--crop=32"]) == 2
    assert "multiple of 64" in capsys.readouterr().err


def test_an_interrupted_command_says_how_to_go_on(
    photographs: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from npuq.cli.training_progress import Progress

    note = Progress.__call__

    def interrupt(self: Progress, step: int, loss: Loss) -> None:
        note(self, step, loss)
        if step == 3:
            raise KeyboardInterrupt

    command = ["train", photographs, str(tmp_path / "a"), *SMALL]
    monkeypatch.setattr(Progress, "__call__", interrupt)
    assert main(command) == 130
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("npuq: interrupted") and last.endswith("--resume")
    monkeypatch.undo()
    assert main([*command, "--resume"]) == 0
    assert main(["train", photographs, str(tmp_path / "b"), *SMALL]) == 0
    a, b = (load_model(tmp_path / name / "model.npz") for name in "ab")
    assert identical(a.params, b.params)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--lmbda=-1"], "lmbda must be positive"),
        (["--lmbda=nan"], "finite"),
        (["--crop=30"], "multiple of 8"),
        (["--validation-crop=30"], "multiple of 8"),
        (["--rate-schedule=step"], "rate-schedule: invalid choice"),
        (["--preset=slow"], "invalid choice"),
        (["--smaller-side=500"], "smaller-side"),
        (["--lmbda-decay=100"], "lmbda-decay"),
        (["--lmbda-decay=3:0"], "lmbda_decay must"),
        (["--lmbda-decay=6:0.5"], "lmbda_decay must"),
        (["--smaller-side=100,50"], "smaller_side must"),
        (["--smaller-side=-3,50"], "smaller_side must"),
        (["--step-size=0"], "step_size must"),
        (["--alpha-r=-1"], "alpha_r must"),
        (["--rate-drop-at=7"], "rate_drop_at must"),
        (["--density-only-steps=-4"], "density_only_steps must"),
        (["--preset=paper-linear-sr"], "below steps = 6 (lower it, or raise steps), not 5000"),
        (["--steps=many"], "whole number, not 'many'"),
        (["--resume"], "no checkpoint"),
        (["--init-model=missing.npz"], "no such model file"),
        (["--size=6,8"], "--size is for the hyperprior model only"),
        (["--branch-from=c.npz", "--init-model=m.npz"], "and --init-model has it begin elsewhere"),
        (["--branch-from=c.npz", "--resume"], "and --resume has it begin elsewhere"),
    ],
)
def test_wrong_settings_are_one_line(
    options: list[str],
    message: str,
    photographs: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    assert main(["train", photographs, str(out), *SMALL, *options]) == 2
    printed = capsys.readouterr()
    assert message in printed.err and len(printed.err.splitlines()) == 1
    assert not printed.out and not out.exists()


def test_the_folder_of_a_run_cannot_be_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for out in (file, file / "below"):  # noticed before the missing photographs are
        assert main(["train", "nowhere", str(out)]) == 2
        assert f"{file} is a file" in capsys.readouterr().err


def test_a_resumed_command_keeps_its_preset_and_name_and_no_other_data(
    photographs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    command = ["train", photographs, str(out), *SMALL]
    assert main([*command, "--preset=fast-un", "--name=mine"]) == 0
    assert main(["train", photographs, str(out), "--resume"]) == 0  # nothing need be said again
    model = load_model(out / "model.npz")
    assert (model.name, model.alpha, model.training["preset"]) == ("mine", 0.0, "fast-un")
    others = tmp_path / Path(photographs).name  # the same name, other pictures
    others.mkdir()
    write_image(others / "0.png", PHOTOGRAPHS[0])
    capsys.readouterr()
    for wrong, message in (
        (["train", str(others), str(out), *SMALL], "files 3, not 1; files_hash"),
        (["train", "dead-leaves", str(out), *SMALL], "not dead-leaves; files 3, not absent"),
        ([*command, "--name=yours"], "name mine, not yours"),
        ([*command, "--lmbda=0.5"], "lmbda 0.0125, not 0.5"),
        ([*command, "--preset=fast-sr"], "alpha_end 0.0, not 16.0"),
    ):
        assert main([*wrong, "--resume"]) == 2
        assert message in capsys.readouterr().err
    (tmp_path / "start.npz").write_bytes((out / "model.npz").read_bytes())
    assert main([*command, "--resume", f"--init-model={tmp_path}/start.npz"]) == 2
    assert "init_model None, not mine" in capsys.readouterr().err


def test_the_softness_of_the_decoder_gets_into_the_model(photographs: str, tmp_path: Path) -> None:
    softness = ["--alpha-start=7", "--alpha-end=7", "--alpha-r=16"]
    assert main(["train", photographs, str(tmp_path / "run"), *SMALL, *softness]) == 0
    model = load_model(tmp_path / "run" / "model.npz")
    assert (model.alpha, model.alpha_r) == (7.0, 16.0)


def test_a_missing_folder_of_photographs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "nowhere", "out"]) == 2
    assert capsys.readouterr().err == "npuq: error: nowhere: there is no such folder\n"

"""The table of kinds that can be trained: everything that differs between them is asked there."""

from __future__ import annotations

import argparse
import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models import picture

from npuq.cli.settings import size
from npuq.models.noisy_rate import Softness
from npuq.nn.parameters import named_arrays
from npuq.trained.kinds import KINDS
from npuq.training import options as options_file
from npuq.training.kinds import TRAINABLE, objective_of
from npuq.training.options import TrainingOptions
from npuq.training.presets import PRESETS
from npuq.training.step import noise_of_step

PACKAGE = Path(__file__).parents[2] / "npuq"
NAMED_IN = {
    "training/presets.py": "presets are settings",
    "training/settings.py": "the default of a setting",
    "cli/eval.py": "the default of an option",
}


def small(model: str, **changed: Any) -> TrainingOptions:
    return TrainingOptions(**(PRESETS[TRAINABLE[model].preset] | {"size": (3, 4)} | changed))


@pytest.mark.parametrize("model", TRAINABLE)
def test_an_entry_fits_its_model(model: str) -> None:
    kind, options = TRAINABLE[model], small(model, crop=TRAINABLE[model].crop_multiple)
    assert options.model == model and kind.kind is KINDS[model]
    assert options.crop_multiple == kind.crop_multiple
    for start in kind.starts:
        params = objective_of(small(model, start=start)).initial(None)
        assert isinstance(params, kind.kind.params)
        assert kind.kind.size(params) == kind.size(options)
    objective = objective_of(options)
    images = np.stack([picture(64, 128)])
    inputs = objective.inputs(images, noise_of_step(0, 0))
    trained = objective.initial(None)
    loss = objective.loss(objective.to_model(trained), inputs, 0.01, Softness(2.0, 2.0))
    again, gradient = objective.loss_and_gradient(trained, inputs, 0.01, Softness(2.0, 2.0))
    assert np.isclose(float(loss.loss), float(again.loss), rtol=1e-5)
    assert named_arrays(gradient).keys() == named_arrays(trained).keys()


@pytest.mark.parametrize("model", TRAINABLE)
def test_a_model_of_another_kind_is_no_start(model: str) -> None:
    for other in TRAINABLE.keys() - {model}:
        params = objective_of(small(other)).initial(None)
        name = TRAINABLE[model].kind.params.__name__
        with pytest.raises(ValueError, match=f"must be {name} for the {model} model"):
            TRAINABLE[model].check_start(params, small(model))
        with pytest.raises(ValueError, match=f"must be {name} for the {model} model"):
            objective_of(small(model)).initial(params)


def test_an_entry_is_all_that_options_and_the_command_line_need(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    third = TRAINABLE["linear"]._replace(
        starts=("jpeg",), quantizers=("noise",), crop_multiple=24, sizes={"tiny": (2, 6)}
    )
    monkeypatch.setitem(TRAINABLE, "third", third)
    monkeypatch.setitem(options_file.CHOICES, "model", (*TRAINABLE,))
    assert TrainingOptions(model="third", crop=48).crop_multiple == 24
    assert size("tiny") == (2, 6)
    for changed, rule in (
        ({"crop": 128}, "multiple of 24"),
        ({"start": "orthogonal"}, "start must be jpeg for the third model"),
        ({"quantizer": "stochastic"}, "quantizer must be noise for the third model"),
    ):
        with pytest.raises(ValueError, match=rule):
            TrainingOptions(**({"model": "third", "crop": 48} | changed))
    with pytest.raises(argparse.ArgumentTypeError, match="tiny"):
        size("huge")


def test_no_other_file_of_training_and_of_the_command_line_asks_for_a_name() -> None:
    """No string there is the name of a kind; the file of a kind has it from `npuq.trained`."""
    for room in ("training", "cli"):
        for path in sorted((PACKAGE / room).glob("*.py")):
            words = {
                node.value
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            }
            named = words & KINDS.keys()
            assert bool(named) == (f"{room}/{path.name}" in NAMED_IN), (path.name, named)

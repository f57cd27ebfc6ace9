"""Whole losses and their gradients on the device, where kernels and CuPy's functions meet."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import unequal
from gpu.conftest import IS_REAL, device_only, is_on_device, on_device
from gpu.standin import COUNT

from npuq.backend import Array
from npuq.models.linear import Loss
from npuq.nn.parameters import named_arrays, with_arrays
from npuq.training.kinds import objective_of
from npuq.training.options import TrainingOptions
from npuq.training.schedules import lmbda_at, softness_at
from npuq.training.step import noise_of_step, on_host

pytestmark = pytest.mark.usefixtures("device")

SOFT = {"alpha_start": 1.0, "alpha_end": 7.0, "expected_rate": True, "expected_distortion": True}
SMALL: dict[str, Any] = {"model": "hyperprior", "size": (16, 16), "crop": 64, "start": "random"}
OPTIONS = {
    "linear, uniform noise": TrainingOptions(crop=32, batch_size=2, alpha_start=0, alpha_end=0),
    "linear, soft rounding": TrainingOptions(crop=32, batch_size=2, **SOFT),
    "hyperprior, uniform noise": TrainingOptions(**SMALL, alpha_start=0, alpha_end=0, batch_size=1),
    "hyperprior, soft rounding": TrainingOptions(**SMALL, **SOFT, batch_size=1),
}
# At most so many for the loss and all gradients; a step's Adam takes 3 more.
LAUNCHES = {"linear": 40, "hyperprior": 420}
# Two orders of summation, in single precision, through all layers and back.
TOLERANCE = 3e-5


def loss_and_gradient(options: TrainingOptions, device: str) -> tuple[Loss, dict[str, Array]]:
    rng = np.random.default_rng(0)
    objective = objective_of(options, device)
    start = unequal.unequal(rng, objective_of(options).initial(None), spread=0.05)
    images = rng.integers(0, 256, (options.batch_size, options.crop, options.crop, 3), np.uint8)
    inputs = objective.inputs(images, noise_of_step(0, 3))
    if device == "cuda":
        names = named_arrays(start)
        start = with_arrays(start, dict(zip(names, on_device(*names.values()), strict=True)))
        inputs = tuple(on_device(*inputs))
    step = lmbda_at(options, 3), softness_at(options, 3)
    if device == "cpu":
        loss, gradient = objective.loss_and_gradient(start, inputs, *step)
        return loss, named_arrays(gradient)
    # tables travel the first time
    with device_only(others=LAUNCHES[options.model], waits=0, sent=4):
        loss, gradient = objective.loss_and_gradient(start, inputs, *step)
    return loss, named_arrays(gradient)


@pytest.mark.parametrize("name", OPTIONS)
def test_the_device_computes_what_the_host_does(name: str) -> None:
    loss, gradient = loss_and_gradient(OPTIONS[name], "cpu")
    device_loss, device_gradient = loss_and_gradient(OPTIONS[name], "cuda")
    assert all(is_on_device(part) and part.dtype == np.float64 for part in device_loss)
    assert IS_REAL or COUNT["launches"] <= LAUNCHES[OPTIONS[name].model]
    np.testing.assert_allclose(on_host([device_loss]), [loss], rtol=1e-6)
    assert device_gradient.keys() == gradient.keys()
    for key, want in gradient.items():
        got = device_gradient[key]
        assert is_on_device(got) and got.dtype == want.dtype, key
        size = np.abs(want).max()
        assert size > 0 and np.abs(got.get() - want).max() <= TOLERANCE * size, key

"""Kernels as their DCT: a rotation of the space that Adam moves in (Ballé 2018)."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import scipy.fft
from models import picture

from npuq.models import hyperprior
from npuq.models.noisy_rate import Softness
from npuq.nn.adam import adam_init
from npuq.nn.parameters import cast, named_arrays, with_arrays
from npuq.training.checkpoint import TrainingState
from npuq.training.coordinates import kernel_frequencies, kernels_of_frequencies
from npuq.training.kinds import objective_of
from npuq.training.options import TrainingOptions
from npuq.training.step import training_step


@pytest.fixture
def params() -> hyperprior.HyperpriorParams:
    rng = np.random.default_rng(4)
    like = hyperprior.init(rng, channels=3, latents=4, dtype=np.float64)
    return with_arrays(
        like, {n: rng.standard_normal(a.shape) for n, a in named_arrays(like).items()}
    )


def test_every_kernel_is_its_dct_and_all_else_as_it_was(params: Any) -> None:
    before, after = named_arrays(params), named_arrays(kernel_frequencies(params))
    back = named_arrays(kernels_of_frequencies(kernel_frequencies(params)))
    kernels = 0
    for name, w in before.items():
        if w.ndim == 4:
            kernels += 1
            expected = scipy.fft.dctn(w, axes=(2, 3), norm="ortho")
            # 25 products of numbers of about 1 in float64
            np.testing.assert_allclose(after[name], expected, atol=1e-13)
        else:
            np.testing.assert_array_equal(after[name], w)
        np.testing.assert_allclose(back[name], w, atol=1e-13)
    assert kernels == 14


def test_gradients_are_those_of_the_coordinates() -> None:
    """A move of the frequencies changes the loss as the same move of the kernels does.

    The kernels of d frequencies are C^T d C, which SciPy computes here; so for any direction d,
    <gradient of frequencies, d> = <gradient of kernels, C^T d C>.
    """
    options = TrainingOptions(model="hyperprior", size=(3, 4), crop=64, start="random")
    frequency = objective_of(options)
    pixel = objective_of(dataclasses.replace(options, coordinates="pixel"))
    trained = cast(frequency.initial(None), np.float64)
    images = np.stack([picture(64, 128, 1)])
    rng = np.random.default_rng(1)
    noise = [rng.random((1, 64 // s, 128 // s, c)) - 0.5 for s, c in ((64, 3), (16, 4))]
    inputs = (images / 255.0, *noise)
    model = frequency.to_model(trained)
    (loss, ours), (same, theirs) = (
        objective.loss_and_gradient(params, inputs, 0.001, Softness())
        for objective, params in ((frequency, trained), (pixel, model))
    )
    assert loss == same
    for (name, d_frequencies), d_kernels in zip(
        named_arrays(ours).items(), named_arrays(theirs).values(), strict=True
    ):
        direction = rng.standard_normal(d_kernels.shape)
        moved = direction
        if direction.ndim == 4:
            moved = scipy.fft.idctn(direction, axes=(2, 3), norm="ortho")
        terms = d_kernels * moved
        # sums of float64 products: relative to the length of the terms
        assert np.vdot(d_frequencies, direction) == pytest.approx(
            terms.sum(), abs=1e-11 * np.linalg.norm(terms)
        ), name
        if direction.ndim == 4:
            assert abs(np.vdot(d_kernels, direction) - terms.sum()) > 1e-3 * np.linalg.norm(terms)


def test_adam_goes_another_way_in_other_coordinates() -> None:
    options = TrainingOptions(model="hyperprior", size=(3, 4), crop=64, start="random")
    images = np.stack([picture(64, 64, 1)])
    found = []
    for coordinates in ("frequency", "pixel"):
        chosen = dataclasses.replace(options, coordinates=coordinates)
        objective = objective_of(chosen)
        like = objective.initial(None)
        inputs = objective.inputs(images, lambda tensor, shape: np.zeros(shape, np.float32))
        state = TrainingState(0, named_arrays(like), adam_init(named_arrays(like)), {}, [])
        after, _ = training_step(state, like, objective, inputs, chosen)
        start, end = (objective.to_model(with_arrays(like, s.params)) for s in (state, after))
        found.append((start.analysis[1].w, end.analysis[1].w))
    (start, frequency), (same, pixel) = found
    np.testing.assert_allclose(start, same, atol=1e-6)
    # Adam's first step has one size in every coordinate that it moves, and only there
    steps = np.abs(pixel - same) / options.learning_rate, np.abs(frequency - start)
    np.testing.assert_allclose(steps[0], 1.0, rtol=1e-2)
    assert np.ptp(steps[1]) > 0.5 * options.learning_rate

"""Sec. 5.2 as functions of the step, against the sentences of the paper."""

from __future__ import annotations

import dataclasses
import math

import pytest

from npuq.training.options import TrainingOptions
from npuq.training.presets import PRESETS
from npuq.training.schedules import learning_rates_at, lmbda_at, softness_at

PAPER = TrainingOptions(**PRESETS["paper-linear-sr"])  # type: ignore[arg-type]


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_options(name: str) -> None:
    TrainingOptions(**PRESETS[name])  # type: ignore[arg-type]


def test_the_papers_lmbda_is_halved_at_100_000_and_at_200_000_steps() -> None:
    options = dataclasses.replace(PAPER, lmbda=0.1)
    steps = (0, 99_999, 100_000, 199_999, 200_000, 1_999_999)
    expected = [0.4, 0.4, 0.2, 0.2, 0.1, 0.1]
    assert [lmbda_at(options, step) for step in steps] == pytest.approx(expected)


def test_the_hyperpriors_lmbda_is_2_to_the_i_and_a_tenth_of_it_after_200_000_steps() -> None:
    options = TrainingOptions(**PRESETS["paper-hyperprior-un"] | {"lmbda": 0.1 * 2.0**-6})
    assert lmbda_at(options, 199_999) == pytest.approx(2.0**-6)
    assert lmbda_at(options, 200_000) == pytest.approx(0.1 * 2.0**-6)


@pytest.mark.parametrize(
    ("name", "alphas", "expected"),
    [
        ("sr", (1.0, 16.0), True),
        ("sr-sampled", (1.0, 16.0), False),
        ("7", (7.0, 7.0), True),
        ("7-sampled", (7.0, 7.0), False),
        ("13", (13.0, 13.0), True),
        ("13-sampled", (13.0, 13.0), False),
    ],
)
def test_presets_of_figure_3b(name: str, alphas: tuple[float, float], expected: bool) -> None:
    options = TrainingOptions(**PRESETS[f"paper-hyperprior-{name}"])
    first, last = (softness_at(options, step) for step in (0, options.steps))
    assert (first.alpha, last.alpha) == alphas == (first.alpha_r, last.alpha_r)
    assert first.expected_rate == first.expected_distortion == expected


def test_without_decay_lmbda_is_constant() -> None:
    options = TrainingOptions(lmbda=0.05, lmbda_decay=())
    assert {lmbda_at(options, step) for step in (0, 1, options.steps)} == {0.05}


def test_the_papers_alpha_runs_linearly_from_1_to_16() -> None:
    alphas = [softness_at(PAPER, step).alpha for step in (0, 1_000_000, 2_000_000)]
    assert alphas == [1.0, 8.5, 16.0]


def test_alpha_r_follows_alpha_or_is_its_own() -> None:
    assert softness_at(PAPER, 500_000).alpha_r == softness_at(PAPER, 500_000).alpha
    fig2b = TrainingOptions(**PRESETS["paper-fig2b"])  # type: ignore[arg-type]
    assert (softness_at(fig2b, 9).alpha, softness_at(fig2b, 9).alpha_r) == (7.0, 16.0)


def test_expected_gradients_are_for_soft_rounding_only() -> None:
    plain = TrainingOptions(**PRESETS["paper-linear-un"])  # type: ignore[arg-type]
    assert not (softness_at(plain, 0).expected_rate or softness_at(plain, 0).expected_distortion)
    assert softness_at(PAPER, 0).expected_rate and softness_at(PAPER, 0).expected_distortion
    pathwise = dataclasses.replace(PAPER, expected_rate=False)
    assert not softness_at(pathwise, 0).expected_rate
    assert softness_at(pathwise, 0).expected_distortion


def test_the_papers_learning_rate_drops_tenfold_after_80_percent() -> None:
    density_only, before = PAPER.density_only_steps, 1_599_999
    assert learning_rates_at(PAPER, density_only) == pytest.approx((1e-4,) * 3)
    assert learning_rates_at(PAPER, before) == pytest.approx((1e-4,) * 3)
    assert learning_rates_at(PAPER, before + 1) == pytest.approx((1e-5,) * 3)


def test_the_transforms_rest_in_the_first_5000_steps() -> None:
    assert learning_rates_at(PAPER, 4999).transform == 0
    assert min(learning_rates_at(PAPER, 4999)[1:]) > 0
    assert learning_rates_at(PAPER, 5000).transform > 0


def test_cosine_falls_from_1_to_its_final_value() -> None:
    options = TrainingOptions(
        rate_schedule="cosine", learning_rate=1.0, rate_final=0.1, density_rate=3.0, steps=1000
    )
    rates = [learning_rates_at(options, step).transform for step in range(1001)]
    assert rates[0] == pytest.approx(1.0)
    assert rates[500] == pytest.approx(0.55)
    assert rates[1000] == pytest.approx(0.1)
    assert all(a > b for a, b in zip(rates, rates[1:], strict=False))
    assert learning_rates_at(options, 300).hyper == rates[300]
    assert learning_rates_at(options, 300).density == pytest.approx(3 * rates[300])
    slower = dataclasses.replace(options, hyper_rate=0.25)
    assert learning_rates_at(slower, 300) == pytest.approx(
        (rates[300], 0.25 * rates[300], 3 * rates[300])
    )


def test_a_constant_rate_can_be_cooled_down_to_0() -> None:
    options = TrainingOptions(
        rate_schedule="constant", learning_rate=2.0, density_rate=3.0, steps=100, cooldown_steps=4
    )
    rates = [learning_rates_at(options, step).transform for step in range(100)]
    assert rates[:96] == [2.0] * 96
    assert rates[96:] == pytest.approx([1.6, 1.2, 0.8, 0.4])  # and 0 in a step that is not done
    assert learning_rates_at(options, 98).density == pytest.approx(3 * 0.8)
    trunk = dataclasses.replace(options, cooldown_steps=0)
    assert {learning_rates_at(trunk, step).transform for step in range(100)} == {2.0}


@pytest.mark.parametrize("schedule", ["constant", "cosine", "drop"])
def test_a_warm_up_rises_linearly_below_any_schedule(schedule: str) -> None:
    cold = TrainingOptions(rate_schedule=schedule, learning_rate=2.0, steps=40, rate_drop_at=0.05)
    warm = dataclasses.replace(cold, warmup_steps=4)
    factors = [
        tuple(a / b for a, b in zip(learning_rates_at(warm, s), learning_rates_at(cold, s),
                                    strict=True))
        for s in range(6)
    ]  # fmt: skip
    for step, expected in enumerate((0.2, 0.4, 0.6, 0.8, 1.0, 1.0)):
        assert factors[step] == pytest.approx((expected,) * 3)


def test_the_initial_step_size_is_the_best_one_of_its_formula() -> None:
    """bpp + lambda MSE = -3 log2 D + lambda D^2 / 12 is least there."""

    def loss(step: float, lmbda: float) -> float:
        return -3 * math.log2(step) + lmbda * step**2 / 12

    for lmbda in (0.0015625, 0.0125, 0.2):
        best = TrainingOptions(lmbda=lmbda).initial_step_size
        assert loss(best, lmbda) < min(loss(best * 0.99, lmbda), loss(best * 1.01, lmbda))
    assert TrainingOptions(step_size=12.0).initial_step_size == 12.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"lmbda": 0.0},
        {"model": "cubic"},
        {"crop": 96, "model": "hyperprior"},
        {"size": (0, 2)},
        {"size": (1, 3)},
        {"warmup_steps": -1},
        {"cooldown_steps": -1, "rate_schedule": "constant"},
        {"cooldown_steps": 16_001, "rate_schedule": "constant"},
        {"cooldown_steps": 5},
        {"average_steps": -1},
        {"skip_ratio": 1.0},
        {"skip_ratio": float("nan")},
        {"skip_ratio": float("inf")},
        {"clip_norm": 0.0},
        {"clip_norm": float("nan")},
        {"lmbda": float("inf")},
        {"lmbda_decay": ((0, 0.5),)},
        {"lmbda_decay": ((16_000, 0.5),)},
        {"lmbda_decay": ((3, 0.0),)},
        {"lmbda_decay": ((3, float("nan")),)},
        {"smaller_side": (100, 50)},
        {"smaller_side": (-3, 50)},
        {"density_rate": float("nan")},
        {"hyper_rate": 0.0},
        {"rate_final": 0.0},
        {"rate_drop_at": 7.0},
        {"rate_drop_at": float("nan")},
        {"density_only_steps": -4},
        {"density_only_steps": 16_000},
        {"alpha_end": float("nan")},
        {"alpha_r": -1.0},
        {"step_size": 0.0},
        {"step_size": -3.0},
        {"init_scale": -1.0},
        {"seed": -1},
        {"lmbda": float("nan")},
        {"steps": 0},
        {"batch_size": -1},
        {"crop": 100},
        {"learning_rate": -1e-4},
        {"alpha_start": -1.0},
        {"rate_schedule": "step"},
        {"coordinates": "polar"},
        {"quantizer": "vector"},
        {"quantizer": "stochastic", "model": "hyperprior", "start": "klt"},
        {"start": "dct"},
    ],
)
def test_impossible_options_are_refused_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TrainingOptions(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("quantizer", "softness", "name"),
    [
        ("annealed", {}, "alpha_start"),
        ("annealed", {"alpha_start": 1.0}, "alpha_end"),
        ("annealed", {"alpha_start": 1.0, "alpha_end": 16.0, "alpha_r": 16.0}, "alpha_r"),
        ("stochastic", {"alpha_start": 1.0}, "alpha_start"),
        ("shared-shift", {"alpha_end": 1.0}, "alpha_end"),
    ],
)
def test_a_softness_that_an_older_quantizer_would_not_use_is_refused(
    quantizer: str, softness: dict[str, float], name: str
) -> None:
    with pytest.raises(ValueError, match=f"{name} must be .* for the {quantizer} quantizer"):
        TrainingOptions(quantizer=quantizer, **softness)  # type: ignore[arg-type]


def test_options_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        PAPER.lmbda = 1.0  # type: ignore[misc]

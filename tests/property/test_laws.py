"""The laws that others are judged by (`npuq.checks.laws`), held tighter: what npuq owes itself.

Laws have the tolerances of the mathematics, so that no honest implementation fails. Of npuq's own
functions more is known, and each law has a scale here: EXACTLY where nothing may be off, else some
two to three times of what was measured with eight choices of all seeds, plain and compiled. Laws of
chance, and those that are rules, as of the levels of a dither, stay as they are.
"""

from __future__ import annotations

import re
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import npuq
from npuq.checks.catalogue import LAWS
from npuq.checks.law import Law
from npuq.checks.ours import FUNCTIONS
from npuq.checks.report import explanation

EXACTLY, USUAL = 1e-300, 1e-8
DRAWS = max(1, settings().max_examples // 100)
"""Other choices of all seeds, of some ten seconds each: 20 in the thorough profile."""

OF_SOFT_ROUNDING = "^soft_round(_inverse|_conditional_mean)?"
SCALES = {
    r"\.(odd|between|shape\.large_alpha|identity|infinite|moved|finite)$": EXACTLY,
    # tolerances of some eps, or of the last digits of a sum
    r"^soft_round\.(values|large_alpha|vanishing|periodic|sharpens|monotone)": 0.15,
    r"^(universal_dequantize|round_about)\.values$|\.circle$": 0.5,
    r"\.periodic$": 0.06,
    # the last digits of s(y), which its inverse multiplies
    r"\.inverts$": 0.1,
    r"\.undone$": 0.002,
    # half of the digits of float32, and of float64
    rf"{OF_SOFT_ROUNDING}(_backward)?\.(values\.float32|monotone|sharpens)$": 0.004,
    r"^soft_round_(inverse|conditional_mean)\.(large|vanishing)_alpha$": 0.004,
    rf"{OF_SOFT_ROUNDING}(_backward)?\.(values(\.float64)?|large_alpha)$": 2e-7,
    # densities: three digits in float32, and six
    r"(bits|density)\.values\.float32$|^nonparametric_bits\.values$": 5e-4,
    r"\.integers$": 1e-7,
    r"\.small_alpha$": 2e-4,  # where alpha itself is allowed, and its square is due
    r"soft_rounded_.*\.entropy$": 1.0,  # the law's own sum over u, across spikes
    r"\.entropy$": 1e-7,  # that has twelve digits
    r"\.average$": 0.005,  # that over the noise
    # layers in both precisions, and their gradients
    r"^(inverse_gdn|gdn|conv2d|conv_transpose2d)\.values$": 0.05,
    r"^(nonparametric|inverse_gdn|gdn|conv).*_backward\.values$|^adam_step": 5e-6,
    # bytes of ends and headers
    r"_encode\.length$": 0.2,
    r"^codec_estimated_bits": 0.7,
}
"""Scales by patterns of names, of which the first counts; USUAL for all others."""


def scale_of(law: Law) -> float:
    return next((scale for name, scale in SCALES.items() if re.search(name, law.name)), USUAL)


def assert_obeyed(law: Law, functions: Any = npuq) -> None:
    records = npuq.check(functions, only=[law.name], tolerance_scale=scale_of(law))
    record = next(record for record in records if record.check == law.name)
    assert record.status == "pass", "\n".join([record.check, *explanation(record)])


@pytest.mark.parametrize("kernels", ["fast", "reference"])
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_npuq_obeys(law: Law, kernels: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPUQ_KERNELS", kernels)
    assert_obeyed(law)


@settings(max_examples=DRAWS, phases=[Phase.generate])
@given(shift=st.integers(1, 2**32 - 1), kernels=st.sampled_from(["fast", "reference"]))
def test_npuq_obeys_with_other_seeds(shift: int, kernels: str) -> None:
    """All that laws draw is drawn anew, and so are noise and dither."""
    generator = np.random.default_rng

    def shifted(seed: Any = None) -> np.random.Generator:
        return generator(seed if seed is None else [shift, seed])

    functions = {
        **FUNCTIONS,
        "dither": lambda shape, seed: FUNCTIONS["dither"](shape, seed + shift),
        "batch_dither": lambda shape, seeds, tensor: FUNCTIONS["batch_dither"](
            shape, seeds + shift, tensor
        ),
    }
    with (
        mock.patch.object(np.random, "default_rng", shifted),
        mock.patch.dict("os.environ", NPUQ_KERNELS=kernels),
    ):
        for law in LAWS:
            assert_obeyed(law, functions)

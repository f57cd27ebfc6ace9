"""Faults in `npuq.check`: laws that see nothing or accuse wrongly, names and lines that mislead."""

from __future__ import annotations

from mutant import Mutant

LAWS = "npuq/checks/laws"
TESTS = "tests/unit/test_checks.py"
REPORTS = "tests/unit/test_checks_report.py"
SEEN = (f"{TESTS}::test_a_mistake_is_seen_by_its_law_and_named_in_all_of_its_functions",)
THOUSANDTH = (f"{TESTS}::test_an_error_of_a_thousandth_is_seen_in_every_result",)
PRECISION = ("tests/unit/test_checks_precision.py",)
PASSES = (f"{TESTS}::test_npuq_passes_everything_and_lacks_nothing",)

CHECKS_MUTANTS: list[Mutant] = [
    Mutant(
        "checks: ties of the quantizer may go anywhere",
        f"{LAWS}/quantization.py",
        "y, np.full_like(y, -0.5)), y + 1, 0)",
        "y, np.full_like(y, -0.5)), y + 1, 1)",
        SEEN,
    ),
    Mutant(
        "checks: gradients of bits may be anything",
        f"{LAWS}/densities.py",
        "1e-6 * (1 + abs(due))",
        "1e6 * (1 + abs(due))",
        THOUSANDTH,
    ),
    Mutant(
        "checks: densities may be three bits off",
        f"{LAWS}/densities.py",
        '"float64": 1e-6}',
        '"float64": 3.0}',
        SEEN,
    ),
    Mutant(
        "checks: no channels among the directions of noise",
        f"{LAWS}/noise.py",
        "for axis in range(3):",
        "for axis in range(2, 3):",
        SEEN,
    ),
    Mutant(
        "checks: a dither of 15 levels is fine",
        f"{LAWS}/noise.py",
        "COARSEST = 1 / 255",
        "COARSEST = 1 / 10",
        SEEN,
    ),
    Mutant(
        "checks: bounds of three deviations, false alarms",
        f"{LAWS}/noise.py",
        "DEVIATIONS = 6.5",
        "DEVIATIONS = 3.0",
        PASSES,
    ),
    Mutant(
        "checks: alpha up to 4 only",
        f"{LAWS}/soft_rounding.py",
        "alphas=ALPHAS, dtypes=(dtype,)",
        "alphas=ALPHAS[:4], dtypes=(dtype,)",
        SEEN,
    ),
    Mutant(
        "checks: another answer for the conditional mean",
        "npuq/checks/exact.py",
        "exact_soft_round.conditional_mean, z",
        "exact_soft_round.soft_round_inverse, z",
        PASSES,
    ),
    Mutant(
        "checks: NaN is right",
        "npuq/checks/law.py",
        "np.where(np.isnan(difference), np.inf, difference)",
        "np.nan_to_num(difference)",
        (f"{TESTS}::test_nan_is_a_failure_of_infinite_error",),
    ),
    Mutant(
        "checks: every mistake is like every failure",
        "npuq/checks/diagnosis.py",
        "return alike / places if places else 0.0",
        "return 1.0",
        SEEN,
    ),
    Mutant(
        "checks: mistakes are told apart by one law",
        "npuq/checks/diagnosis.py",
        "if set(other.needs) & set(law.needs)]",
        "if other is law]",
        SEEN,
    ),
    Mutant(
        "checks: another entry than the one that fails is shown",
        "npuq/checks/counterexample.py",
        "place % size : place % size + 1",
        "0:1",
        (REPORTS,),
    ),
    Mutant(
        "checks: targets can change the points",
        "npuq/checks/frameworks.py",
        "Framework(np.array, ",
        "Framework(np.asarray, ",
        (TESTS,),
    ),
    Mutant(
        "checks: status 0 whatever failed",
        "npuq/cli/check.py",
        "return FAILED if",
        "return 0 if",
        (REPORTS,),
    ),
    Mutant(
        "checks: expected failures fail the test",
        "npuq/checks/testing.py",
        'if record.status == "expected":',
        "if False:",
        (f"{REPORTS}::test_one_line_in_a_test_file",),
    ),
    Mutant(
        "checks: arrays of the command in the order of the machine that sends",
        "npuq/checks/wire.py",
        "np.ascontiguousarray(value, value.dtype.newbyteorder(\"<\")).tobytes()",
        "value.tobytes()",
        ("tests/unit/test_checks_command.py::test_arrays_cross_over_and_back",),
    ),
    Mutant(
        "checks: carries stay open for six symbols at most",
        f"{LAWS}/coder.py",
        "range(1, 200, 3)",
        "range(1, 6, 3)",
        (f"{SEEN[0]}[entropy_encode: a carry that stops at the next byte]",),
    ),
    Mutant(
        "checks: messages may be longer by a twentieth of a bit",
        f"{LAWS}/coder.py",
        "0.005 * len(own)",
        "0.05 * len(own)",
        (f"{SEEN[0]}[entropy_encode: 12-bit tables]",),
    ),
    Mutant(
        "checks: probabilities may sum to anything",
        f"{LAWS}/whole_densities.py",
        "np.ones(PHASES), 1e-6",
        "np.ones(PHASES), 1e6",
        (f"{TESTS}::test_probabilities_that_sum_to_a_little_more_are_seen",),
    ),
    Mutant(
        "checks: nothing far from 0",
        f"{LAWS}/symmetries.py",
        "SHIFTS = (1, -2, 5, 300, -40_000)",
        "SHIFTS = (1, -2, 5)",
        (f"{TESTS}::test_soft_rounding_that_is_right_near_0_only_is_seen",),
    ),
    Mutant(
        "checks: distances from 0 may tell each other",
        f"{LAWS}/noise.py",
        "itertools.product(values.items(), repeat=2):",
        "[(list(values.items())[0],) * 2]:",
        (f"{TESTS}::test_what_tells_without_correlation_is_seen",),
    ),
    Mutant(
        "checks: entries may take each other's scale",
        f"{LAWS}/densities.py",
        'SMALLEST_BITS["float64"] * (1 + due)',
        "1e6 * (1 + due)",
        (f"{TESTS}::test_one_location_or_scale_for_all_entries_is_seen",),
    ),
    Mutant(
        "checks: another entropy",
        f"{LAWS}/whole_densities.py",
        "1.679215953734",
        "1.679315953734",
        (f"{PASSES[0]}",),
    ),
    Mutant(
        "checks: a tensor is held against another image only",
        f"{LAWS}/shared_dither.py",
        "in ((0, 0), (1, 0), (0, 1)):",
        "in ((1, 0),):",
        (f"{SEEN[0]}[batch_dither: one seed for two tensors]",),
    ),
    Mutant(
        "checks: a fault of one function is taken for that of another",
        "npuq/checks/diagnosis.py",
        "if len(law.needs) == 1:",
        "if True:",
        (f"{SEEN[0]}[soft_round_inverse: the artanh inverse, clipped]",),
    ),
    Mutant(
        "checks: what a target prints is taken for its answer",
        "npuq/checks/worker.py",
        "os.dup2(2, 1)",
        "os.dup2(1, 1)",
        ("tests/unit/test_checks_interpreter.py::test_a_target_is_judged_there",),
    ),
    Mutant(
        "checks: reports with attributes that Jenkins refuses",
        "npuq/checks/report.py",
        'ElementTree.Element("testsuites", totals)',
        'ElementTree.Element("testsuites", {**totals, "skipped": "0"})',
        (f"{REPORTS}::test_junit_is_as_its_schema_has_it",),
    ),
    Mutant(
        "checks: vectors of another version under the same number",
        f"{LAWS}/limits.py",
        "SMALL_SCALES = (1e-2,",
        "SMALL_SCALES = (1e-3,",
        ("tests/golden/test_vectors_golden.py::test_version_1_is_the_same_for_ever",),
    ),
    Mutant(
        "checks: lines of histograms without what is outside",
        f"{LAWS}/noise.py",
        "(abs(a) > 0.5).sum()) /",
        "(abs(a) > 0.7).sum()) /",
        (f"{REPORTS}::test_lines_show_what_they_say",),
    ),
    Mutant(
        "checks: both precisions are asked whatever the target has",
        "npuq/checks/law.py",
        "if kept == self.dtypes:",
        "if True:",
        PRECISION,
    ),
    Mutant(
        "checks: float64 is given where float32 is said to be",
        "npuq/checks/law.py",
        "a.astype(np.float32) if isinstance(a, np.ndarray)",
        "a + 0 if isinstance(a, np.ndarray)",
        PRECISION,
    ),
    Mutant(
        "checks: lines of code ask in float64 where float32 was asked",
        "npuq/checks/law.py",
        '"(lambda a: {w}(np.float32(a)))"',
        '"{w}"',
        PRECISION,
    ),
    Mutant(
        "checks: float32 alone has no name",
        "npuq/checks/calls.py",
        'answers["float64"] == "float32"',
        'answers["float64"] == "float16"',
        PRECISION,
    ),
    Mutant(
        "checks: what fails in one precision is said to take the other",
        "npuq/checks/calls.py",
        "(answers[taken] or self._answered(law, taken))",
        "True",
        PRECISION,
    ),
]  # fmt: skip

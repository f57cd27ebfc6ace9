"""Faults in `npuq.check`: laws that see nothing or accuse wrongly, names and lines that mislead."""

from __future__ import annotations

from mutant import Mutant

LAWS = "npuq/checks/laws"
TESTS = "tests/unit/test_checks.py"
REPORTS = "tests/unit/test_checks_report.py"
SEEN = (f"{TESTS}::test_a_mistake_is_seen_by_its_law_and_named_in_all_of_its_functions",)
THOUSANDTH = (f"{TESTS}::test_an_error_of_a_thousandth_is_seen_in_every_result",)
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
        '"", np.array, np.asarray',
        '"", np.asarray, np.asarray',
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
        "npuq/checks/command.py",
        "np.ascontiguousarray(value, value.dtype.newbyteorder(\"<\")).tobytes()",
        "value.tobytes()",
        ("tests/unit/test_checks_command.py::test_arrays_cross_over_and_back",),
    ),
]  # fmt: skip

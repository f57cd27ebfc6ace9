"""`npuq.check`: npuq passes, each named mistake is seen and named, nobody is accused wrongly."""

from __future__ import annotations

import doctest
import math
import threading
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import npuq
from npuq.backend import Array
from npuq.checks import door, exact, frameworks
from npuq.checks.catalogue import LAWS, MISTAKES
from npuq.checks.counterexample import _by_check
from npuq.checks.diagnosis import observations
from npuq.checks.law import scaled
from npuq.checks.laws import layers, noise
from npuq.checks.mistakes.mistake import Mistake
from npuq.checks.names import ALL_NAMES, DISTRIBUTIONS
from npuq.checks.ours import FUNCTIONS
from npuq.checks.target import target_of
from npuq.errors import CheckError
from npuq.paper.soft_round import soft_round_inverse_literal, soft_round_literal


def test_npuq_passes_everything_and_lacks_nothing() -> None:
    records = npuq.check(npuq)
    assert [record.check for record in records] == [law.name for law in LAWS]
    assert [record for record in records if record.status != "pass"] == []


def test_the_same_target_has_the_same_records() -> None:
    target = {"uniform_noise": FUNCTIONS["uniform_noise"], "dither": FUNCTIONS["dither"]}
    assert npuq.check(target, only=["dither"]) == npuq.check(target, only=["dither"])


def test_every_function_of_the_list_is_asked_and_is_ours() -> None:
    asked = {name for law in LAWS for name in law.needs}
    assert set(FUNCTIONS) == set(ALL_NAMES) - {
        f"{law}{soft}_{kind}_backward"
        for law in DISTRIBUTIONS
        for soft in ("", "_soft_rounded")
        for kind in ("density", "log_density")
    } - {"universal_dequantize_backward"}
    assert asked == set(FUNCTIONS)


# --- mistakes -----------------------------------------------------------------------------------


def test_mistakes_are_many_and_have_names_of_their_own() -> None:
    assert len({mistake.name for mistake in MISTAKES}) >= 45
    for mistake in MISTAKES:
        assert mistake.law in {law.name for law in LAWS}, mistake.name
        assert mistake.cost and set(mistake.functions) <= set(FUNCTIONS)


def name_of(mistake: Mistake) -> str:
    return f"{next(iter(mistake.functions))}: {mistake.name}"


@pytest.mark.parametrize("mistake", MISTAKES, ids=name_of)
def test_a_mistake_is_seen_by_its_law_and_named_in_all_of_its_functions(mistake: Mistake) -> None:
    """In a target that is right otherwise. Its own law sees it, and no law names another one."""
    mine = {**FUNCTIONS, **mistake.partners, **mistake.functions}
    starts = [mistake.law.partition(".")[0] + ".", *(f"{name}." for name in mistake.functions)]
    only = [start for start in starts if any(law.name.startswith(start) for law in LAWS)]
    failed = {r.check: r for r in npuq.check(mine, only=only) if r.status == "fail"}
    assert mistake.law in failed
    asked = {name for law in LAWS if law.name in failed for name in law.needs}
    assert set(mistake.functions) <= asked
    for record in failed.values():
        assert record.probably == mistake.name, record.check
        assert record.cost == mistake.cost
        assert record.error > record.tolerance or math.isnan(record.tolerance)
        assert record.counterexample


PARTS = {"adam_step": 3, "gdn_backward": 3, "inverse_gdn_backward": 3, "conv2d_backward": 2,
         "conv_transpose2d_backward": 2, "nonparametric_bits_backward": 12}  # fmt: skip
SEVERAL = [
    (name, part)
    for name in FUNCTIONS
    if name not in ("uniform_noise", "dither", "batch_dither", "entropy_encode", "escape_encode")
    and not name.startswith("codec_")
    for part in range(PARTS.get(name, 3 if name.endswith("bits_backward") else 1))
]


@pytest.mark.parametrize(("name", "part"), SEVERAL, ids=lambda value: str(value))
def test_an_error_of_a_thousandth_is_seen_in_every_result(name: str, part: int) -> None:
    def off(*arguments: Any) -> Any:
        result = FUNCTIONS[name](*arguments)
        parts = list(result) if isinstance(result, tuple) else [result]
        parts[part] = parts[part] * 1.001
        return tuple(parts) if isinstance(result, tuple) else parts[0]

    records = npuq.check({**FUNCTIONS, name: off}, only=[f"{name}."])
    assert "fail" in {record.status for record in records}


def test_two_mistakes_in_one_function_are_told_apart() -> None:
    """Half to even at ties, and one more that only the law of values sees."""

    def both(y: Array) -> Array:
        return np.where(y == -65_536.75, y + 2, np.round(y))

    records = npuq.check({"round_half_up": both}, only=["round_half_up"])
    assert [(r.check, r.probably) for r in records if r.status == "fail"] == [
        ("round_half_up.values", ""),
        ("round_half_up.ties", "half to even"),
    ]


def test_a_fault_without_a_name_gets_none() -> None:
    (record,) = npuq.check(
        {"soft_round": lambda y, alpha: npuq.soft_round(y, alpha) + 0.003},
        only=["soft_round.values.float64"],
    )
    assert (record.status, record.probably) == ("fail", "")
    assert record.error == pytest.approx(0.003) and record.cost


@pytest.mark.parametrize("share", [0.5, 0.8, 1.3])
def test_a_factor_without_a_name_is_not_called_by_that_of_another(share: float) -> None:
    """Those of log10 and of nats are 0.30 and 0.69."""
    name = "logistic_bits"
    mine = {name: lambda *arguments: share * FUNCTIONS[name](*arguments)}
    failed = [r for r in npuq.check(mine, only=[name]) if r.status == "fail"]
    assert len(failed) >= 5 and {record.probably for record in failed} == {""}


def test_a_gradient_that_fails_with_its_function_says_so() -> None:
    right = FUNCTIONS["gdn_backward"]
    mine = {
        "gdn": lambda x, beta, gamma: FUNCTIONS["gdn"](x, beta, gamma.T),
        "gdn_backward": lambda d, x, beta, gamma: right(d, x, beta, gamma.T),
    }
    values, backward = npuq.check(mine, only=["gdn"])
    assert values.probably == "gamma transposed"
    assert backward.probably == "what gdn has: gamma transposed"


# --- no false alarm -----------------------------------------------------------------------------


def test_textbook_forms_pass_where_they_hold() -> None:
    """Eq. 10 as printed; its inverse in float64; densities as differences of two CDFs."""
    literal = {"soft_round": soft_round_literal, "soft_round_inverse": soft_round_inverse_literal}
    for check in (
        "soft_round.values",
        "soft_round.large_alpha",
        "soft_round_inverse.values.float64",
    ):
        with np.errstate(all="ignore"):
            assert {r.status for r in npuq.check(literal, only=[check])} == {"pass"}, check

    def difference(z: Array, loc: Array, scale: Array) -> Array:
        low, high = ((z + half - loc) / scale for half in (z.dtype.type(-0.5), z.dtype.type(0.5)))
        return 1 / (1 + np.exp(-high)) - 1 / (1 + np.exp(-low))

    mine = {
        "logistic_density": difference,
        "logistic_bits": lambda *arguments: -np.log2(difference(*arguments)),
    }
    records = {r.check: r for r in npuq.check(mine) if r.status != "absent"}
    failed = {name: r.probably for name, r in records.items() if r.status == "fail"}
    assert failed == dict.fromkeys(
        ("logistic_bits.tails", "logistic_bits.finite"), "1 less 1 in the upper tail"
    )


def test_a_conditional_mean_made_of_the_inverse_may_lose_what_its_shift_loses() -> None:
    """Eq. 14 as printed subtracts 1/2 and adds it again, which moves 0.001 by 1e-8 in float32."""

    def conditional_mean(z: Array, alpha: float) -> Array:
        half = z.dtype.type(0.5)
        return FUNCTIONS["soft_round_inverse"](z - half, alpha) + half

    only = ["soft_round_conditional_mean."]
    records = npuq.check({"soft_round_conditional_mean": conditional_mean}, only=only)
    assert {record.status for record in records} == {"pass"}


@pytest.mark.parametrize("name", ["uniform_noise", "dither"])
def test_twenty_sources_of_noise_are_not_accused(name: str) -> None:
    functions = {name: FUNCTIONS[name]}
    for number in range(20):
        shifted = {name: lambda shape, seed, n=number: functions[name](shape, seed + 100 * n)}
        statuses = {r.status for r in npuq.check(shifted, only=[name])}
        assert statuses == {"pass"}, number


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_probabilities_that_sum_to_a_little_more_are_seen(distribution: str) -> None:
    name = f"{distribution}_density"

    def with_sum(total: float) -> Any:
        return {name: lambda *arguments: FUNCTIONS[name](*arguments) * total}

    for total, status in ((1.0001, "fail"), (1.00000001, "pass")):
        assert npuq.check(with_sum(total), only=[f"{name}.sums"])[0].status == status


def rng_noise(shape: Any, seed: int) -> Array:
    return np.random.default_rng(seed).random(shape) - 0.5


def told_by_distances(shape: Any, seed: int) -> Array:
    """Every other value is known by the one before, with which it has no correlation."""
    u = rng_noise(shape, seed)
    u[..., 1::2] = 2 * abs(u[..., ::2]) - 0.5
    return u


@pytest.mark.parametrize(
    ("source", "law"),
    [
        (told_by_distances, "independence"),
        (lambda shape, seed: rng_noise(shape, seed % 2), "seeds"),
        (lambda shape, seed: rng_noise(shape, seed % 2**8), "seeds"),
        (lambda shape, seed: rng_noise(shape, seed % 2**16), "seeds"),
    ],
)
def test_what_tells_without_correlation_is_seen(source: Any, law: str) -> None:
    records = npuq.check({"dither": source}, only=["dither"])
    assert [r.check for r in records if r.status == "fail"] == [f"dither.{law}"]


@pytest.mark.parametrize("most", [20, 100, 1000])
def test_soft_rounding_that_is_right_near_0_only_is_seen(most: int) -> None:
    mine = {"soft_round": lambda y, alpha: npuq.soft_round(np.clip(y, -most, most), alpha)}
    assert npuq.check(mine, only=["soft_round.periodic"])[0].status == "fail"


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("which", [1, 2])
def test_one_location_or_scale_for_all_entries_is_seen(distribution: str, which: int) -> None:
    name = f"{distribution}_soft_rounded_bits"

    def mine(*arguments: Any) -> Array:
        first = [*arguments]
        first[which] = np.full_like(arguments[which], arguments[which].ravel()[0])
        return np.asarray(FUNCTIONS[name](*first))

    failed = [r.check for r in npuq.check({name: mine}) if r.status == "fail"]
    assert failed == [f"{name}.entries"]


def test_left_and_right_are_not_called_up_and_down() -> None:
    def mirrored(data: Array) -> Array:
        return np.asarray(FUNCTIONS["codec_decompress"](data))[:, ::-1]

    mine = {"codec_compress": FUNCTIONS["codec_compress"], "codec_decompress": mirrored}
    record = npuq.check(mine, only=["codec_decompress.resembles"])[0]
    assert (record.status, record.probably) == ("fail", "")


def test_a_dither_on_a_grid_of_256_levels_is_no_fault() -> None:
    def lowest(shape: Any, seed: int) -> Array:  # -1/2 is among the levels
        return np.random.default_rng(seed).integers(0, 256, shape) / 256 - 0.5

    assert {r.status for r in npuq.check({"dither": lowest}, only=["dither"])} == {"pass"}


# --- the answers --------------------------------------------------------------------------------


def test_the_answers_are_the_equations() -> None:
    """Those that are not npuq's own, against it: Eq. 43 in a known case, s and r by Eq. 14."""
    assert exact.bits("logistic", np.zeros(1), np.zeros(1), np.ones(1)) == pytest.approx(
        -math.log2(math.tanh(0.25)), rel=1e-14
    )
    assert exact.bits("normal", np.array([1.5]), np.ones(1), np.ones(1)) == pytest.approx(
        -math.log2(0.5 * math.erf(1 / math.sqrt(2))), rel=1e-14
    )
    z = np.array([-0.7, 0.1, 0.45, 3.2])
    r = exact.soft_round_inverse(z - 0.5, 4.0) + 0.5
    np.testing.assert_allclose(exact.soft_round_conditional_mean(z, 4.0), r, rtol=1e-14)
    assert exact.round_half_up(np.array([-0.5, 0.5, 1.4])).tolist() == [0, 1, 1]


def test_complex_steps_are_derivatives() -> None:
    x, beta, gamma = np.array([[0.7, -1.2]]), np.array([1.0, 2.0]), np.array([[0.1, 0.4], [0.3, 0]])
    d = np.array([[1.0, -0.5]])
    got = layers.vjp(layers.gdn, d, (x, beta, gamma))
    for found, right in zip(got, FUNCTIONS["gdn_backward"](d, x, beta, gamma), strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-12)


def test_laws_say_what_they_are() -> None:
    names = [law.name for law in LAWS]
    assert len(names) == len(set(names))
    for law in LAWS:
        assert law.equation and law.statement and law.reason and law.cost
        assert law.name.partition(".")[0] in law.needs


# --- what targets do ----------------------------------------------------------------------------


def test_what_is_missing_is_absent() -> None:
    records = npuq.check({"soft_round": npuq.soft_round})
    absent = {r.check for r in records if r.status == "absent"}
    assert {r.check.partition(".")[0] for r in records if r.status == "pass"} == {"soft_round"}
    assert "soft_round_backward.values" in absent


def test_what_a_target_raises_is_a_failure_with_the_call_that_raised() -> None:
    def mine(y: Array, alpha: float) -> Array:
        raise NotImplementedError("not yet")

    record = npuq.check({"soft_round": mine}, only=["soft_round.values.float32"])[0]
    assert (record.status, record.message) == ("fail", "NotImplementedError: not yet")
    assert "soft_round(np.array([0.0, 0.5" in record.counterexample


@pytest.mark.parametrize("result", [np.zeros(3), None, "text"])
def test_other_shapes_and_no_numbers_are_failures(result: Any) -> None:
    record = npuq.check({"round_half_up": lambda y: result}, only=["round_half_up.values"])[0]
    assert record.status == "fail" and "round_half_up returned" in record.message


def test_complex_numbers_are_a_failure() -> None:
    """NumPy would drop their imaginary part."""
    for k in (lambda y: np.floor(y + 0.5) + 0j, lambda y: (np.floor(y + 0.5) + 1j,)):
        record = npuq.check({"round_half_up": k}, only=["round_half_up.values"])[0]
        assert record.status == "fail" and "returned complex numbers" in record.message


def test_a_target_that_ends_the_interpreter_fails() -> None:
    def mine(y: Array) -> Array:
        raise SystemExit(0)

    record = npuq.check({"round_half_up": mine}, only=["round_half_up.values"])[0]
    assert record.status == "fail" and record.message == "SystemExit: 0"


class PanicException(BaseException):
    """What a panic in Rust code is in Python, an `Exception` no more than here."""


@pytest.mark.parametrize("in_main_thread", [True, False])
def test_a_target_that_panics_fails_and_ctrl_c_is_heard(in_main_thread: bool) -> None:
    def mine(y: Array) -> Array:
        raise PanicException("std must be positive")

    def asked(found: list[Any]) -> None:
        found += npuq.check({"round_half_up": mine}, only=["round_half_up."])

    records: list[Any] = []
    if in_main_thread:
        asked(records)
    else:
        thread = threading.Thread(target=asked, args=(records,))
        thread.start()
        thread.join()
    assert [record.status for record in records] == ["fail"] * 4
    assert "PanicException: std must be positive" in records[0].message

    def interrupted(y: Array) -> Array:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        npuq.check({"round_half_up": interrupted}, only=["round_half_up."])


def test_a_target_may_write_all_of_its_results_to_one_place() -> None:
    place: dict[Any, Array] = {}

    def mine(y: Array, alpha: float) -> Array:
        room = place.setdefault((y.shape, y.dtype), np.empty_like(y))
        room[...] = npuq.soft_round(y, alpha)
        return room

    assert {r.status for r in npuq.check({"soft_round": mine})} == {"pass", "absent"}


def test_numbers_in_a_list_are_one_result() -> None:
    name = "soft_round_conditional_mean_backward"
    mine = {f: lambda *a, f=f: FUNCTIONS[f](*a).tolist() for f in (name, f"{name}_expected")}
    assert {r.status for r in npuq.check(mine)} == {"pass", "absent"}


def test_a_target_that_takes_no_single_entries_is_judged_by_whole_calls() -> None:
    def mine(y: Array, alpha: float) -> Array:
        if y.size == 1:
            raise ValueError("one is too few")
        return y

    record = npuq.check({"soft_round": mine}, only=["soft_round.values.float64"])[0]
    assert record.status == "fail" and "entry" in record.counterexample


def test_nan_is_a_failure_of_infinite_error() -> None:
    record = npuq.check({"round_half_up": lambda y: y * np.nan}, only=["round_half_up.ties"])[0]
    assert record.status == "fail" and record.error == math.inf


def test_a_law_does_not_let_a_target_change_its_points() -> None:
    def mine(y: Array) -> Array:
        y += 1
        return np.floor(y - 0.5)

    only = ["round_half_up.values", "round_half_up.ties"]
    assert {r.status for r in npuq.check({"round_half_up": mine}, only=only)} == {"pass"}


def test_expected_failures() -> None:
    mine = {"round_half_up": np.round}
    known = {"round_half_up.ties": "half to even is what the hardware does"}
    records = npuq.check(mine, only=["round_half_up"], expected_failed_checks=known)
    assert [r.status for r in records] == ["pass", "expected", "pass", "pass"]
    assert records[1].message == "expected: half to even is what the hardware does"
    wrong = {"round_half_up.values": "?"}
    assert npuq.check(mine, only=["round_half_up.values"], expected_failed_checks=wrong)[
        0
    ].message == ("passes, though it was expected to fail")


def test_tolerances_are_multiplied_but_not_those_of_chance_or_of_rules() -> None:
    off = {**FUNCTIONS, "soft_round": lambda y, alpha: npuq.soft_round(y, alpha) + 1e-15}
    only = ["soft_round.values.float64", "universal_quantize.variance", "dither.h", "dither.res"]
    records = {scale: npuq.check(off, only=only, tolerance_scale=scale) for scale in (1, 1e-3)}
    assert {r.status for r in records[1]} == {"pass"}
    assert [r.check for r in records[1e-3] if r.status == "fail"] == only[:1]
    usual, tight = (records[scale][0] for scale in (1, 1e-3))
    assert tight.tolerance <= usual.tolerance / 100 and tight.error > tight.tolerance
    assert tight.reason == f"0.001 times ({usual.reason})"
    assert records[1][1:] == records[1e-3][1:]


def test_what_passes_as_usual_has_no_mistake_of_the_catalogue() -> None:
    """The interval from z to z + 1 has the right entropy, and the same last digits as ours."""
    ours = {"normal_bits": FUNCTIONS["normal_bits"]}
    (record,) = npuq.check(ours, only=["normal_bits.entropy"], tolerance_scale=1e-9)
    assert (record.status, record.probably) == ("fail", "")


def test_a_line_that_makes_the_check_again_has_its_tolerance_and_its_precision() -> None:
    def unnamed(symbols: Array, p: Array) -> Array:
        return np.append(FUNCTIONS["entropy_encode"](symbols, p), np.zeros(4, np.uint8))

    mine = {"entropy_encode": unnamed, "entropy_decode": FUNCTIONS["entropy_decode"]}
    law = next(law for law in LAWS if law.name == "entropy_encode.length")
    target = target_of(mine)._replace(again="npuq check --command ./mine")
    line = _by_check(scaled(law, 0.25), target, frameworks.SPELLINGS[""])
    assert line.endswith("--only entropy_encode.length --tolerance-scale 0.25")
    both = next(law for law in LAWS if law.name == "soft_round.periodic")
    one = scaled(both, 0.25).asked_in(("float32",))
    assert one is not None
    line = _by_check(one, target, frameworks.SPELLINGS[""])
    assert line.endswith("--only soft_round.periodic --dtypes float32 --tolerance-scale 0.25")
    line = _by_check(one, target_of(mine), frameworks.SPELLINGS[""])
    assert "dtypes=('float32',), tolerance_scale=0.25, only=" in line
    line = _by_check(scaled(law, 0.25), target_of(mine), frameworks.SPELLINGS[""])
    assert line.endswith("only=['entropy_encode.length']))") and "tolerance_scale=0.25" in line


class Broken:
    """An object whose property raises."""

    @property
    def soft_round(self) -> Any:
        return 1 / 0


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ({"soft_rond": abs}, {}, "not on the list: 'soft_rond'"),
        ({}, {}, "no function of the list"),
        (math, {}, "math has no function of the list"),
        ({"soft_round": 3}, {}, "soft_round of the target is no function but 3"),
        (npuq, {"only": ["soft_rounds"]}, "begins with 'soft_rounds'"),
        (npuq, {"expected_failed_checks": {"soft_round": ""}}, "'soft_round', which is no check"),
        (npuq, {"framework": "theano"}, "not 'theano'"),
        (npuq, {"framework": "none"}, "torch, jax or tensorflow, not 'none'"),
        (npuq, {"framework": ["torch"]}, r"jax or tensorflow, not \['torch'\]"),
        (npuq, {"tolerance_scale": 0}, "from 1e-300 to 1, not 0: what needs more"),
        (npuq, {"tolerance_scale": -0.5}, "from 1e-300 to 1, not -0.5"),
        (npuq, {"tolerance_scale": math.nan}, "from 1e-300 to 1, not nan"),
        (npuq, {"tolerance_scale": 2}, "from 1e-300 to 1, not 2"),
        (npuq, {"tolerance_scale": "0.1"}, "from 1e-300 to 1, not '0.1'"),
        (npuq, {"tolerance_scale": True}, "from 1e-300 to 1, not True"),
        (npuq, {"tolerance_scale": None}, "from 1e-300 to 1, not None"),
        (npuq, {"tolerance_scale": 1e-320}, "from 1e-300 to 1, not 1e-320"),
        (npuq, {"tolerance_scale": Fraction(1, 10**400)}, "from 1e-300 to 1, not Fraction"),
        (npuq, {"dtypes": [np.zeros(2)]}, "must be float32 and float64"),
        ({"soft_round": abs}, {"only": 3}, r"only must be a list .* not 3"),
        ({"soft_round": abs}, {"only": "soft_round"}, "only must be a list .* not 'soft_round'"),
        ({"soft_round": abs}, {"only": [3]}, "begins with 3"),
        ({"soft_round": abs}, {"only": None}, "only must be a list .* not None"),
        (npuq, {"expected_failed_checks": ["soft_round.odd"]}, "must map names to reasons"),
        (npuq, {"expected_failed_checks": {"soft_round.odd": None}}, "a reason for 'soft_round.od"),
        ("mine.py", {}, "a dict, not 'mine.py': import it"),
        (Broken(), {}, "Broken does not give its functions: ZeroDivisionError: "),
    ],
)
def test_what_cannot_be_judged_is_refused(target: Any, options: Any, message: str) -> None:
    with pytest.raises(CheckError, match=message):
        npuq.check(target, **options)
    with pytest.raises(CheckError, match=message):
        npuq.parametrize_with_checks(target, **options)


def test_objects_and_modules_are_targets() -> None:
    class Mine:
        scale = 1

        def soft_round(self, y: Array, alpha: float) -> Array:
            return npuq.soft_round(y, alpha) * self.scale

    only = ["soft_round.values.float64"]
    assert npuq.check(Mine(), only=only)[0].status == "pass"
    assert npuq.check(npuq.paper.soft_round, only=only)[0].status == "pass"


def test_mistakes_that_do_not_answer_are_no_harm() -> None:
    law = next(law for law in LAWS if law.name == "gdn.values")
    assert observations(law, {"gdn": lambda x, beta: x}) is None

    def ends(*arguments: Any) -> Array:
        raise RuntimeError("as C++ does")

    assert observations(law, {"gdn": ends}) is None


def test_numpy_functions_get_arrays_of_their_own() -> None:
    y = np.zeros(2)
    (first,) = [
        frameworks.adapted({"round_half_up": lambda a: a is y}, frameworks.load(None), (), ())
    ]
    assert not first["round_half_up"](y)
    assert noise.SHAPE[0] * noise.SHAPE[1] * noise.SHAPE[2] < 2**16


def test_the_example_runs() -> None:
    (example,) = doctest.DocTestFinder().find(
        door.check, "check", globs={"check": npuq.check, "np": np}, module=False
    )
    assert example.examples and doctest.DocTestRunner(verbose=False).run(example).failed == 0

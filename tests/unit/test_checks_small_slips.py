"""Every law sees a small slip: one value, a few tolerances off, or the like of it for chance.

A law that sees only what is off by half a unit would pass for one that works. So each observation
of each law is made once more, with one entry of what the target returned five tolerances off, which
is little: at most a twentieth of the value. That entry has to be wrong, and no other; half a
tolerance is no fault. Laws that read whole arrays, or draw, have a slip of their own below.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from npuq.backend import Array
from npuq.checks import frameworks
from npuq.checks.catalogue import LAWS, MISTAKES
from npuq.checks.law import Functions, Law, Observation
from npuq.checks.laws import noise, whole_densities
from npuq.checks.laws.symmetries import every_alpha
from npuq.checks.ours import FUNCTIONS

OURS = frameworks.adapted(FUNCTIONS, frameworks.load(None), (), ())
TIMES, LITTLE = 5.0, 0.05
BOUNDED = ("between", "sharpens", "shape.large_alpha")
"""Laws that give room on both sides, but none where y is a multiple of one half, or an integer."""
EXEMPT = {
    "codec_decompress.resembles": "the nearest of six pictures: what is nearer to another one is no"
    " small slip; the catalogue's mistakes show that it fails",
}
Slips = dict[int, tuple[int, float]]


class Seen(NamedTuple):
    """An observation, with the number of the call that it looked at last and what that gave."""

    observation: Observation
    call: int
    size: int


def seen_by(law: Law, slips: Slips, functions: Functions = OURS) -> list[Seen]:
    """What a law sees where calls have slips: (entry, amount) by the numbers of calls."""
    sizes: list[int] = []

    def slipping(name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            result = functions[name](*arguments)
            parts = [
                np.array(r, order="C") for r in (result if isinstance(result, tuple) else (result,))
            ]
            place, amount = slips.get(len(sizes), (0, 0.0))
            for part in parts if amount else ():
                if 0 <= place < part.size:
                    part.ravel()[place] += part.dtype.type(amount)
                place -= part.size
            sizes.append(sum(part.size for part in parts))
            return tuple(parts) if isinstance(result, tuple) else parts[0]

        return call

    wrapped = {name: slipping(name) for name in functions}
    with np.errstate(all="ignore"):
        return [Seen(o, len(sizes) - 1, sizes[-1]) for o in law.observe(wrapped)]


def slip_of(law: Law, observation: Observation, rng: np.random.Generator) -> tuple[int, float]:
    """An entry with a small tolerance, by chance among the smaller half, and five of these."""
    due, tolerance = np.broadcast_arrays(observation.expected, observation.tolerance)
    amount = np.where(tolerance == 0, 1.0, TIMES * tolerance).ravel()  # of integers: the next one
    part = np.where(tolerance == 0, 0, amount.reshape(due.shape) / (1 + abs(due))).ravel()
    part[~np.isfinite(due.ravel())] = np.inf
    if law.name.endswith(BOUNDED):
        y = observation.arguments[0] * (1 if law.name.endswith("sharpens") else 2)
        part[np.rint(y) != y] = np.inf
    order = np.argsort(part, kind="stable")
    order = order[: max(1, int((part <= LITTLE).sum()) // 2)]
    place = int(rng.choice(order))
    assert part[place] <= LITTLE, (law.name, "asks for no digits anywhere")
    return place, float(amount[place])


def is_entrywise(law: Law) -> bool:
    """Whether there are calls whose results the law compares one by one."""
    return law.name not in OF_THEIR_OWN and not law.name.endswith(tuple(SUFFIXES))


# --- slips of whole arrays, and of chance -------------------------------------------------------


def changed(name: str, change: Callable[..., Any]) -> Functions:
    """Our functions, one of which gives change(result, *arguments)."""
    return {**OURS, name: lambda *a: change(np.array(OURS[name](*a)), *a)}


def of_kind(name: str, change: Callable[..., Array]) -> Functions:
    """One density changed, given in bits, in nats or as it is."""

    def answer(values: Array, *arguments: Any) -> Array:
        if name.endswith("bits"):
            return np.asarray(-np.log2(change(np.exp2(-values), *arguments)))
        if name.endswith("log_density"):
            return np.asarray(np.log(change(np.exp(values), *arguments)))
        return change(values, *arguments)

    return changed(name, answer)


def sums(law: Law) -> Functions:
    """Five millionths too much."""
    return of_kind(law.needs[0], lambda p, *arguments: p * (1 + TIMES * 1e-6))


def entropy(law: Law) -> Functions:
    """A scale that is a ten thousandth too large: some five tolerances of the entropy."""
    name = law.needs[0]
    return {**OURS, name: lambda z, loc, scale, *a: OURS[name](z, loc, scale * 1.0001, *a)}


def histogram(law: Law) -> Functions:
    """Five tolerances more in one of the bins."""
    count = whole_densities.DRAWS

    def bump(p: Array, z: Array, *rest: Any) -> Array:
        share = p.max() / whole_densities.BIN
        tolerance = (noise.DEVIATIONS * np.sqrt(count * share) + 12) / count
        return np.asarray(p + TIMES * tolerance * whole_densities.BIN * ((z >= 0) & (z < 0.25)))

    return of_kind(law.needs[0], bump)


def monotone(law: Law) -> Functions:
    """One value falls by five tolerances."""
    tolerance = next(law.observe(OURS)).tolerance
    eps = {"float32": 1.0, "float64": float(np.sqrt(2.0**-29))}  # of float64 over that of float32
    if law.needs[0] == "soft_round":
        eps["float64"] = 2.0**-29

    def fall(values: Array, *arguments: Any) -> Array:
        lower = TIMES * float(tolerance) * eps[values.dtype.name]
        values[100] = values[99] - values.dtype.type(lower)
        return values

    return changed(law.needs[0], fall)


def finite(law: Law) -> Functions:
    """One entry that is infinite; or for bits some tolerances below 0."""
    name = law.needs[0]
    if name.endswith("bits"):
        below = {"float32": -TIMES * 1e-3, "float64": -TIMES * 1e-6}
        return changed(name, lambda bits, *a: np.append(bits[:-1], below[bits.dtype.name]))

    def one_is_infinite(*arguments: Any) -> Any:
        d_z, d_loc, d_scale = OURS[name](*arguments)
        return d_z, d_loc, np.append(d_scale[:-1], d_scale.dtype.type(np.inf))

    return {**OURS, name: one_is_infinite}


def one_bin(u: Array, *arguments: Any) -> Array:
    """A twenty-fifth of the noise lies in one of 64 bins: ten tolerances."""
    u.ravel()[::25] = 0.005
    return u


def a_little_up(u: Array, *arguments: Any) -> Array:
    """A shift by five tolerances of the mean."""
    return np.asarray(u + 0.06)


def like_the_neighbour(u: Array, *arguments: Any) -> Array:
    """Every fifth number in a row is that before it: a correlation of five tolerances."""
    u[..., 1::5] = u[..., ::5][..., : u[..., 1::5].shape[-1]]
    return u


def a_fifth_of_one_seed(name: str) -> Functions:
    def shared(u: Array, shape: Any, seed: int) -> Array:
        u.ravel()[::5] = OURS[name](shape, 1).ravel()[::5]
        return u

    return changed(name, shared)


def coarse(u: Array, *arguments: Any) -> Array:
    """Two hundred levels, where 256 are asked for."""
    return np.asarray((np.floor((u + 0.5) * 200) + 0.5) / 200 - 0.5)


def not_twice_the_same(name: str, step: float) -> Functions:
    """One number is another at every second call."""
    calls = itertools.count()

    def change(result: Array, *arguments: Any) -> Array:
        result.ravel()[7] += result.dtype.type(next(calls) % 2 * step)
        return result

    return changed(name, change)


def place_in_batch(u: Array, shape: Any, seeds: Array, tensor: int) -> Array:
    """One number of the last image of a batch is another."""
    u[len(seeds) - 1, 0, 0, 7] += (len(seeds) - 1) / 256
    return u


def half_of_another(u: Array, shape: Any, seeds: Array, tensor: int) -> Array:
    """Half of every dither is that of one seed: five tolerances of 3,840 numbers."""
    of_one = OURS["batch_dither"](shape, np.array([1]), 0)[0]
    u[..., ::2] = of_one[..., ::2]
    return u


def of_errors(change: Callable[[Array], Array]) -> Functions:
    """A channel whose errors are changed, by a decoder that knows y."""
    known: list[Array] = []

    def quantize(y: Array, u: Array) -> Any:
        known.append(y)
        return OURS["universal_quantize"](y, u)

    def dequantize(k: Array, u: Array) -> Array:
        return known[-1] + change(OURS["universal_dequantize"](k, u) - known[-1])

    return {**OURS, "universal_quantize": quantize, "universal_dequantize": dequantize}


def a_step_on_the_circle(error: Array) -> Array:
    """One of the errors is five tolerances off, near y = 0 and u = 1/2."""
    error[-1, 0] -= TIMES * 8 * np.spacing(1.0) * 1.5
    return error


def told_by_the_other(error: Array) -> Array:
    """Six in a hundred errors are that of another coefficient."""
    error[1, ::16] = error[0, ::16]
    return error


def a_tenth_wider(error: Array) -> Array:
    """Five tolerances of the mean square."""
    return error * 1.1


def some_in_one_bin(error: Array) -> Array:
    """A twenty-fifth of the errors: five tolerances of one bin."""
    error[::25] = 0.01
    return error


def longer(name: str) -> Functions:
    """Five tolerances of bytes that nobody needs."""

    def padded(data: Array, symbols: Array, p: Array) -> Array:
        information = -np.log2(p[np.arange(len(symbols)), symbols]).sum()
        more = 64 + 0.005 * len(symbols) + 1e-3 * information
        return np.append(data, np.zeros(int(TIMES * more / 8), np.uint8))

    return changed(name, padded)


def some_symbols(symbols: Array, images: Array, tile: int, threads: int) -> Array:
    """Five symbols in a thousand, in tiles, by threads or in a batch."""
    if tile or threads > 1 or len(images) > 1:
        symbols.reshape(len(images), -1)[:, ::199] += 1
    return symbols


def a_row_less(image: Array, *arguments: Any) -> Array:
    return image[: max(1, len(image) - 1)]


def longer_file(data: Array, image: Array) -> Array:
    """Five tolerances of bytes."""
    bits = float(OURS["codec_estimated_bits"](image))
    return np.append(data, np.zeros(int(TIMES * (0.01 * bits + 1024) / 8), np.uint8))


SUFFIXES: dict[str, Callable[[Law], Functions]] = {
    "bits.sums": sums, "density.sums": sums, ".entropy": entropy, "bits.histogram": histogram,
    "density.histogram": histogram, ".monotone": monotone, ".finite": finite,
    "_encode.length": lambda law: longer(law.needs[0]),
}  # fmt: skip
OF_THEIR_OWN: dict[str, Functions] = {
    **{
        f"{name}.{what}": functions
        for name in ("uniform_noise", "dither")
        for what, functions in (
            ("histogram", changed(name, one_bin)), ("moments", changed(name, a_little_up)),
            ("independence", changed(name, like_the_neighbour)),
            ("seeds", a_fifth_of_one_seed(name)), ("resolution", changed(name, coarse)),
        )
    },
    "dither.repeats": not_twice_the_same("dither", 1 / 256),
    "batch_dither.position": changed("batch_dither", place_in_batch),
    "batch_dither.images": changed("batch_dither", half_of_another),
    "batch_dither.tensors": changed("batch_dither", half_of_another),
    "universal_quantize.circle": of_errors(a_step_on_the_circle),
    "universal_quantize.independence": of_errors(told_by_the_other),
    "universal_quantize.variance": of_errors(a_tenth_wider),
    "universal_quantize.channel": of_errors(some_in_one_bin),
    "codec_decompress.size": changed("codec_decompress", a_row_less),
    "codec_decompress.repeats": not_twice_the_same("codec_decompress", 1),
    "codec_estimated_bits.file": changed("codec_compress", longer_file),
    **{
        f"codec_symbols.{what}": changed("codec_symbols", some_symbols)
        for what in ("batch", "tiles", "threads")
    },
}  # fmt: skip


# --- the tests ----------------------------------------------------------------------------------


def test_what_is_exempt_has_a_mistake_that_shows_it() -> None:
    assert set(EXEMPT) <= {mistake.law for mistake in MISTAKES}


ASKED = [law for law in LAWS if law.name not in EXEMPT]


@pytest.mark.parametrize("law", list(filter(is_entrywise, ASKED)), ids=lambda law: law.name)
def test_one_entry_that_is_five_tolerances_off_is_seen(law: Law) -> None:
    rng = np.random.default_rng(1)
    right = seen_by(law, {})
    whole = [s for s in right if s.size == s.observation.observed.size > 0]
    slips = {seen.call: slip_of(law, seen.observation, rng) for seen in whole}
    if law.name.endswith("sharpens"):  # which looks at the alpha before: slips at every other one
        slips = {call: slip for call, slip in slips.items() if call % len(every_alpha()) % 2}
    assert slips
    found = 0
    for before, after in zip(right, seen_by(law, slips), strict=True):
        assert not before.observation.wrong().any()
        wrong = np.flatnonzero(after.observation.wrong())
        if before.call in slips:
            found += wrong.tolist() == [slips[before.call][0]]
        else:
            assert not wrong.size
    assert found == len(slips)
    little = {
        call: (place, amount / (2 * TIMES))
        for call, (place, amount) in slips.items()
        if amount != 1.0
    }
    assert not any(seen.observation.wrong().any() for seen in seen_by(law, little))


@pytest.mark.parametrize(
    "law", [law for law in ASKED if not is_entrywise(law)], ids=lambda law: law.name
)
def test_a_small_slip_of_whole_arrays_or_of_chance_is_seen(law: Law) -> None:
    if law.name in OF_THEIR_OWN:
        functions = OF_THEIR_OWN[law.name]
    else:
        functions = next(f for end, f in SUFFIXES.items() if law.name.endswith(end))(law)
    excess = 0.0
    with np.errstate(all="ignore"):
        for seen in law.observe(functions):
            error, tolerance = np.broadcast_arrays(seen.errors(), seen.tolerance)
            positive = tolerance > 0
            excess = max(excess, float((error[positive] / tolerance[positive]).max(initial=0)))
            excess = max(excess, 4.0 * bool((error[~positive] > 0).any()))
    assert 1 < excess < 12

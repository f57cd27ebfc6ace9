"""Tables of a density for lattice points, made once and held by both sides: Eq. 28, Sec. 3.2.

Given the dither, a point is sent with a probability proportional to a product of functions p of one
coordinate each, p the density of y + U', U' of the variance of the coordinate's error. For Z, U' is
uniform and p what it should be (Eq. 43). For the others p is near it at high rates: the error's
coordinates depend on each other, and U' is a tenth triangular, as they reach beyond a uniform one.
In units of a box's side that is universal quantization with P(k | u) = p(k + u) / W(u), W(u) the
sum of p(k + u) over all k. A table holds the cumulative sums at each of 256 dithers, as
`npuq.coding.tables` wants them; they rise from a dither to the next where log p is concave, and
elsewhere are made to, at a loss. W(u + 1/2) beside W(u) says how probable a word's 1 is in a place.

Shapes: C channels with a density each, S sides; table c S + s.
"""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import numpy as np

from npuq.arguments import number
from npuq.backend import Array
from npuq.coding.dither import DITHER_LEVELS
from npuq.coding.tables import IntegerTables, tables_to_arrays
from npuq.coding.tabulate import build_tables
from npuq.errors import TablesError
from npuq.latents.lattice_points import HALF_STEP, WEIGHT, CodedLattice, lattice_named
from npuq.latents.tables import (
    FARTHEST,
    MOST_BEYOND,
    Cdf,
    cdf_of,
    check_step,
    checked_shape,
)
from npuq.trained.fingerprint import hash_of
from npuq.trained.phases import plain_phases

FORMAT = 1
"""Of files of lattice tables."""
NOTHING = 2.0**-40  # probability outside of the sums
TRIANGULAR = 0.1  # of the variance of U'
POINTS = 16  # that stand for the triangular density


class LatticeTables(NamedTuple):
    """What both sides code lattice points with.

    Attributes:
        lattice: whose points.
        integers: C S tables.
        weights: (C S, 256) uint16, of a word's 1 where the dither is n, in units of 2^-12.
        step: of the integer lattice with the same mean squared error, step^2 / 12.
        name: for reports.
        hash: 8 bytes that name what decoding depends on; it stands in every stream.
    """

    lattice: CodedLattice
    integers: IntegerTables
    weights: Array
    step: float
    name: str
    hash: bytes

    @property
    def channels(self) -> int:
        """How many channels an array must have; 1, any array will do."""
        return len(self.weights) // self.lattice.sides.size

    @property
    def sides(self) -> Array:
        """(S,) of the boxes, in units of the array."""
        return self.step * self.lattice.sides


def make_lattice_tables(
    density: Any,
    params: Any = None,
    *,
    lattice: str = "E8",
    step: float = 1.0,
    name: str = "",
) -> LatticeTables:
    """Integer tables for `encode_vectors`, of an array with one density, or one for each channel.

    Make them once, give them to both sides (`save_lattice_tables`, or `embed=True`), and never make
    them again: another machine's floats may end in another digit.

    Args:
        density: of the coefficients, in their units: anything with `cdf(y)`, as SciPy's frozen
            distributions; a CDF module such as `npuq.nn.logistic`; or a list of these, one for each
            channel. It should fall on both sides of a single peak, as logarithm concave.
        params: of the CDF module, for one number.
        lattice: "E8", "D4", "A2", or "Z", which is universal quantization.
        step: the mean squared error is step^2 / 12, as that of `make_tables` is, for any lattice.
        name: for reports.

    Raises:
        TablesError: there is no such lattice; the step is impossible; the density is no
            distribution function, or so wide that more than 1 % of it lies beyond 4000 sides.
        TypeError: step is no number.

    Example:
        >>> import scipy.stats
        >>> tables = make_lattice_tables(scipy.stats.norm(scale=2.0), lattice="E8")
        >>> y = np.random.default_rng(0).normal(scale=2.0, size=(125, 80)).astype(np.float32)
        >>> data = encode_vectors(y, tables)
        >>> decoded, end = decode_vectors(data, tables)
        >>> round(float(12 * ((decoded - y) ** 2).mean()), 1), end == len(data)
        (1.0, True)
    """
    coded, step = lattice_named(lattice), number(step, "step")
    check_step(step, 0.0)
    is_list = isinstance(density, (list, tuple)) and not hasattr(density, "logits")
    cdfs = [cdf_of(one, params) for one in density] if is_list else [cdf_of(density, params)]
    if not cdfs:
        raise TablesError("density: there must be at least one channel")
    try:
        combs = [_comb(cdf, step, side, coded) for cdf in cdfs for side in step * coded.sides]
        integers = build_tables(
            lambda x: np.stack([_looked_up(f, row) for (f, _), row in zip(combs, x, strict=True)]),
            [plain_phases()],
            channels=len(combs),
            farthest=FARTHEST,
        )
    except TablesError:
        raise
    except ValueError as error:
        raise TablesError(f"density: {error}") from error
    weights = np.stack([w for _, w in combs])
    tables = LatticeTables(coded, integers, weights, step, str(name), b"")
    return with_hash(tables)


def with_hash(tables: LatticeTables) -> LatticeTables:
    """The tables with the hash of their contents."""
    return tables._replace(hash=hash_of(decisive_facts(tables), decisive_arrays(tables)))


def check_lattice_tables(tables: Any) -> None:
    """Check that somebody handed in tables of this kind.

    Raises:
        TypeError: those of `make_tables`, say.
    """
    if not isinstance(tables, LatticeTables):
        raise TypeError(
            "tables must be what make_lattice_tables or load_lattice_tables returns, not "
            + type(tables).__name__
        )


def decisive_facts(tables: LatticeTables) -> dict[str, Any]:
    """What the manifest of a file of tables says that decoding depends on."""
    facts = {"format": FORMAT, "kind": "lattice tables", "step": tables.step}
    return facts | {"lattice": tables.lattice.name}


def decisive_arrays(tables: LatticeTables) -> dict[str, Array]:
    """The arrays that decoding depends on, by their names in a file of tables."""
    return tables_to_arrays(tables.integers) | {"weights": tables.weights}


def _density(cdf: Cdf, y: Array, step: float, lattice: CodedLattice) -> Array:
    """p up to a factor, of y + U'."""
    part = 0.0 if lattice.name == "Z" else TRIANGULAR
    half = step / 2 * np.sqrt(1 - part)
    # a triangular number of variance step^2 / 12 is within step / sqrt(2) of 0
    q = (np.arange(POINTS // 2) + 0.5) / POINTS
    shifts = np.sqrt(part / 2) * step * (1 - np.sqrt(2 * q)) if part else np.zeros(1)
    p = np.zeros(y.shape)
    for shift in np.concatenate([-shifts, shifts]):
        p += cdf(y + shift + half) - cdf(y + shift - half)
    return np.maximum(p, 0)


@np.errstate(over="ignore")  # as for the tables of `make_tables`
def _comb(cdf: Cdf, step: float, side: float, lattice: CodedLattice) -> tuple[Array, Array]:
    """Cumulative sums of p at (2 R + 1) 256 places of a grid, and the weights of a 1, (256,).

    Place 256 (k + R) + n is k + v_n, v = u + 1/2, where the sum goes up to p(k + u_n).
    """
    reach = 8

    def at(y: Array) -> Array:
        return checked_shape(cdf(y[None]), y[None])[0]

    def beyond() -> float:
        ends = at(np.array([-reach * side, reach * side]))
        return float(ends[0] + 1 - ends[1])

    while reach < FARTHEST and beyond() > NOTHING:
        reach = min(2 * reach, FARTHEST)
    if beyond() > MOST_BEYOND:
        raise TablesError(
            f"density: {100 * beyond():.3g} % of it lies beyond {FARTHEST} boxes of {side:g}; "
            "take a wider step, or subtract the means"
        )
    places = np.arange((2 * reach + 1) * DITHER_LEVELS)
    y = side * ((places + 0.5) / DITHER_LEVELS - 0.5 - reach)
    p = _density(at, y, step, lattice).reshape(-1, DITHER_LEVELS)
    sums = np.cumsum(p, axis=0)
    whole = sums[-1]
    if not np.all(np.isfinite(whole)) or not whole.any():
        raise TablesError("density: cdf must give numbers from 0 to 1")
    nowhere = np.arange(-reach, reach + 1)[:, None] >= 0  # for dithers that no y can have
    share = np.divide(sums, whole, out=nowhere + 0.0 * sums, where=whole > 0)
    other = np.roll(whole, HALF_STEP)
    odd = np.rint(WEIGHT * np.divide(other, whole + other, out=other * 0 + 0.5,
                                     where=whole + other > 0))  # fmt: skip
    return np.minimum(share, 1).ravel(), np.clip(odd, 1, WEIGHT - 1).astype(np.uint16)


def _looked_up(share: Array, x: Array) -> Array:
    """The sums at x = k + v_n; 0 below all and 1 above."""
    place = np.rint(x * DITHER_LEVELS - 0.5).astype(np.int64)
    place += operator.index(share.size // 2 - HALF_STEP)  # of k = 0 and n = 0
    inside = np.clip(place, 0, share.size - 1)
    return np.where(place < 0, 0.0, np.where(place >= share.size, 1.0, share[inside]))

"""A density as integer tables, made once and held by both sides: Sec. 3.2, Eqs. 22 and 23.

Shapes: C channels, one table each; or L levels of scales, one table each.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.special

from npuq.arguments import integer, number
from npuq.backend import Array
from npuq.coding.tables import IntegerTables, tables_to_arrays
from npuq.coding.tabulate import build_tables
from npuq.errors import TablesError
from npuq.nn import normal
from npuq.trained.fingerprint import hash_of
from npuq.trained.integer_scales import level_thresholds, scale_levels
from npuq.trained.phases import hard_phases, plain_phases, soft_phases

FORMAT = 1
"""Of files of tables."""
FARTHEST = 4000  # symbols beyond are escapes, whatever the density
MOST_BEYOND = 0.01  # probability there that is still sensible
SCALES = 160
"""Levels of scales, if no other number is asked for: each is 5 % above the one before."""
MOST_LEVELS = 256

Cdf = Callable[[Array], Array]


class Tables(NamedTuple):
    """What both sides code an array with.

    Attributes:
        integers: a table for each channel, or for each level of scales.
        phases: (256,) uint16, the phase of each dither value under `alpha`.
        step: of quantization, in units of the array.
        alpha: softness of the rounding under "un+uq+sr"; 0, these tables are not for it.
        thresholds: (L - 1,) int64 between L levels of scales, in 2^-16 steps; None where each
            channel has its table.
        name: for reports.
        hash: 8 bytes that name what decoding depends on; it stands in every stream.
    """

    integers: IntegerTables
    phases: Array
    step: float
    alpha: float
    thresholds: Array | None
    name: str
    hash: bytes

    @property
    def channels(self) -> int:
        """How many channels an array must have; 1, any array will do."""
        return 1 if self.thresholds is not None else self.integers.first.size


def make_tables(
    density: Any,
    params: Any = None,
    *,
    step: float = 1.0,
    alpha: float = 0.0,
    channels: int = 1,
    name: str = "",
) -> Tables:
    """Integer tables of a density, for an array with one density, or one for each channel.

    Make them once, give them to both sides (`save_tables`, or `embed=True` of `encode_array`), and
    never make them again: another machine's floats may end in another digit (Sec. 3.2, Eq. 22).

    Args:
        density: of the coefficients, in their units. A frozen continuous distribution of SciPy, or
            anything with `cdf(y)`; a CDF module such as `npuq.nn.logistic`; or a list of these, one
            for each channel.
        params: of the CDF module. Both kinds are asked for y of shape (C, m), so parameters of
            shape (C, 1) give each channel its own.
        step: of quantization; without soft rounding, the error is uniform and `step` wide.
        alpha: softness that "un+uq+sr" rounds with (Eq. 10); 0, the tables serve "un+q" and "un+uq"
            alone.
        channels: C, where `density` is not a list.
        name: for reports.

    Returns:
        Tables, whose code lengths are those of the density to 0.05 % (`npuq.coding.tabulate`).

    Raises:
        TablesError: step or alpha are impossible; the density is no distribution function, or not
            of C channels, or so wide that more than 1 % of it lies beyond 4000 steps.
        TypeError: step or alpha is no number, or `channels` no integer.

    Example:
        >>> import scipy.stats
        >>> tables = make_tables(scipy.stats.laplace(scale=2.0), step=0.5)
        >>> y = np.random.default_rng(0).laplace(scale=2.0, size=(3, 100)).astype(np.float32)
        >>> data = encode_array(y, tables, method="un+uq")
        >>> decoded, end = decode_array(data, tables)
        >>> bool(abs(decoded - y).max() <= 0.25 + 1e-6), end == len(data)
        (True, True)
    """
    is_list = isinstance(density, (list, tuple)) and not hasattr(density, "logits")
    cdfs = [cdf_of(one, params) for one in density] if is_list else [cdf_of(density, params)]
    channels = len(cdfs) if is_list else integer(channels, "channels")
    if channels < 1:
        raise TablesError("density and channels: there must be at least one channel")

    def cdf(y: Array) -> Array:
        if not is_list:
            return checked_shape(cdfs[0](y * step), y)
        return np.concatenate(
            [checked_shape(one(row * step), row) for one, row in zip(cdfs, y[:, None], strict=True)]
        )

    return _tables(cdf, channels, step, alpha, None, name)


def make_scale_tables(
    density: Any = None,
    params: Any = None,
    *,
    step: float = 1.0,
    alpha: float = 0.0,
    levels: int = SCALES,
    name: str = "",
) -> Tables:
    """Integer tables for an array with a scale for each coefficient, as in Eq. 23.

    A table for each of `levels` scales, from 0.11 to 256 steps in equal ratios. Which of them a
    coefficient has is found from `scales` of `encode_array` and `decode_array`; beyond either end,
    it is the nearest.

    Args:
        density: of a coefficient whose scale is 1, as in `make_tables`; the standard normal if it
            is left out.
        params: of the CDF module.
        step, alpha, name: as in `make_tables`.
        levels: 2 to 256. Of normal coefficients under "un+uq", whatever their scale within these
            ends, 160 levels cost at most 0.05 % more bits than the exact scale, and 64, which image
            files have, 0.3 %; in the mean over scales, a third of that. A file of 160 has 135 kB,
            of 64 57 kB.

    Raises:
        TablesError: as `make_tables`, or another number of levels.
        TypeError: as `make_tables`, or `levels` is no integer.
    """
    levels = integer(levels, "levels")
    if not 2 <= levels <= MOST_LEVELS:
        raise TablesError(f"levels must be from 2 to {MOST_LEVELS}, not {levels}")
    if density is None:
        density, params = normal, normal.Params(np.array(0.0), np.array(1.0))
    standard, sigma = cdf_of(density, params), scale_levels(levels)[:, None]
    thresholds = level_thresholds(levels).astype(np.int64)
    return _tables(
        lambda y: checked_shape(standard(y / sigma), y), levels, step, alpha, thresholds, name
    )


def with_hash(tables: Tables) -> Tables:
    """The tables with the hash of their contents."""
    return tables._replace(hash=hash_of(decisive_facts(tables), decisive_arrays(tables)))


def check_tables(tables: Any) -> None:
    """Check that somebody handed in tables.

    Raises:
        TypeError: the name of their file, say.
    """
    if not isinstance(tables, Tables):
        kind = type(tables).__name__
        raise TypeError(f"tables must be what make_tables or load_tables returns, not {kind}")


def decisive_facts(tables: Tables) -> dict[str, Any]:
    """What the manifest of a file of tables says that decoding depends on."""
    return {"format": FORMAT, "kind": "tables", "step": tables.step, "alpha": tables.alpha}


def decisive_arrays(tables: Tables) -> dict[str, Array]:
    """The arrays that decoding depends on, by their names in a file of tables."""
    arrays = tables_to_arrays(tables.integers) | {"phases": tables.phases}
    if tables.thresholds is not None:
        arrays["thresholds"] = tables.thresholds
    return arrays


def check_step(step: float, alpha: float) -> None:
    """Check the two numbers that tables hold.

    Raises:
        TablesError: the step is not positive, alpha is negative, or one is not finite.
    """
    if not (math.isfinite(step) and step > 0):
        raise TablesError(f"step must be a positive number, not {step}")
    if not (math.isfinite(alpha) and alpha >= 0):
        raise TablesError(f"alpha must be a finite number from 0 on, not {alpha}")


@np.errstate(over="ignore")  # 4000 of the widest steps are infinitely far, where a cdf is 0 or 1
def _tables(
    cdf: Cdf, count: int, step: float, alpha: float, thresholds: Array | None, name: str
) -> Tables:
    step, alpha = number(step, "step"), number(alpha, "alpha")
    check_step(step, alpha)
    soft = soft_phases(alpha) if alpha > 0 else plain_phases()
    end = np.full((count, 1), FARTHEST + 0.5)
    try:
        beyond = float(np.max(cdf(-end) + 1 - cdf(end)))
        if beyond > MOST_BEYOND:
            raise TablesError(
                f"density: {100 * beyond:.3g} % of it lies beyond {FARTHEST} steps of {step:g}; "
                "take a wider step, or subtract the means"
            )
        served = [soft, plain_phases(), hard_phases()]
        integers = build_tables(cdf, served, channels=count, farthest=FARTHEST)
    except TablesError:
        raise
    except ValueError as error:
        raise TablesError(f"density: {error}") from error
    return with_hash(Tables(integers, soft, step, alpha, thresholds, str(name), b""))


def cdf_of(density: Any, params: Any) -> Cdf:
    """c(y), float64 to float64, of a CDF module or of a distribution of SciPy.

    Raises:
        TablesError: it is neither.
    """
    if hasattr(density, "logits"):
        return lambda y: scipy.special.expit(density.logits(y, params))
    if hasattr(density, "cdf"):
        return lambda y: np.asarray(density.cdf(y), np.float64)
    raise TablesError("density must have cdf(y), as SciPy's have, or logits(y, params)")


def checked_shape(c: Array, y: Array) -> Array:
    """c, if it has the shape of y.

    Raises:
        TablesError: it has not.
    """
    if c.shape != y.shape:
        raise TablesError(f"density gives values of shape {c.shape} at {y.shape} places")
    return c

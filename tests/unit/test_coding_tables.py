"""Integer tables: what they cost beside the float model, their files, and what is refused."""

import numpy as np
import pytest
from scipy.special import expit

from npuq.coding.tables import (
    IntegerTables,
    assemble_tables,
    check_tables,
    phase_table,
    symbol_intervals,
    table_bits,
    tables_from_arrays,
    tables_to_arrays,
)
from npuq.coding.tabulate import _compared, build_tables

PLAIN = phase_table((np.arange(256) + 0.5) / 256)
HARD = phase_table(np.full(256, 0.5))
SOFT = phase_table(0.5 + 0.4 * (np.arange(256) / 255 - 0.5) ** 3 * 4)


def logistic(location, slope):
    return lambda x: expit((x - np.reshape(location, (-1, 1))) * np.reshape(slope, (-1, 1)))


def test_phases_of_plain_dithering_and_of_rounding_are_exact():
    assert np.array_equal(PLAIN, (2 * np.arange(256) + 1) * 128)
    assert np.all(HARD == 32768)
    assert np.array_equal(phase_table(np.linspace(0, 1, 256))[[0, -1]], [128, 65408])


@pytest.mark.parametrize("v", [np.full(255, 0.5), np.full(256, np.nan), np.full(256, 1.5)])
def test_impossible_phases_are_refused(v):
    with pytest.raises(ValueError, match="v must be"):
        phase_table(v)


@pytest.mark.parametrize("phases", [PLAIN, HARD, SOFT], ids=["plain", "hard", "soft"])
@pytest.mark.parametrize(
    ("location", "slope"),
    [(0.0, 2000.0), (0.3, 50.0), (0.0, 4.0), (-7.6, 1.0), (0.4, 0.1), (100.0, 0.02)],
)
def test_tables_cost_what_the_float_model_says(location, slope, phases):
    cdf = logistic(location, slope)
    tables = build_tables(cdf, [phases], channels=1)
    check_cost(tables, cdf, phases)


def check_cost(tables, cdf, phases):
    k = np.arange(tables.first[0], tables.last[0] + 1)[:, None]
    v = phases / 65536
    p = cdf(k + v) - cdf(k - 1 + v)
    bits = table_bits(
        np.broadcast_to(k, p.shape)[None], np.broadcast_to(phases, p.shape)[None], tables
    )[0]
    used = p > 0
    float_bits = -np.sum(p[used] * np.log2(p[used])) / 256
    excess = np.sum(p * bits) / 256 - float_bits
    # twice the builder's promise, as it does not measure at all phases, and tails of 2^-20
    # beside an escape, whose price the float sum above leaves out
    assert excess < 4e-4 * float_bits + 4e-6


@pytest.mark.parametrize(("location", "slope"), [(0.0, 20.0), (0.2, 4.0), (-7.6, 1.0)])
def test_grids_are_as_coarse_as_the_promise_allows(location, slope):
    """A smooth distribution needs a few knots a unit: half of those that it has are too few."""
    cdf = logistic(location, slope)
    fine = build_tables(cdf, [PLAIN], channels=1)
    assert 0 < fine.log2_knots[0] < 8
    coarse = assemble_tables(fine.values[::2], fine.first, fine.last, fine.log2_knots - 1)
    k = np.arange(fine.first[0], fine.last[0] + 1)[:, None]
    p = cdf(k + PLAIN / 65536) - cdf(k - 1 + PLAIN / 65536)
    k, phases = (np.broadcast_to(a, p.shape)[None] for a in (k, PLAIN.astype(np.int64)))
    off = [np.sum(p * abs(table_bits(k, phases, t)[0] + np.log2(p))) for t in (fine, coarse)]
    assert off[0] < -5e-4 * np.sum(p * np.log2(p)) < off[1]


def test_soft_rounding_needs_a_coarser_grid_than_plain_dithering():
    cdf = logistic(0.0, 2000.0)
    plain, soft = (build_tables(cdf, [phases], channels=1) for phases in (PLAIN, SOFT))
    assert plain.log2_knots[0] == 8 > soft.log2_knots[0]


@pytest.mark.parametrize("location", [0.0, -0.05])
@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_tables_for_several_phases_serve_each_of_them(location, order):
    # soft phases keep to 0.3 .. 0.7, where this steep step gives one symbol and any grid will do
    cdf = logistic(location, 2000.0)
    both = build_tables(cdf, [(PLAIN, SOFT)[i] for i in order], channels=1)
    for phases in (PLAIN, SOFT):
        check_cost(both, cdf, phases)
        alone = build_tables(cdf, [phases], channels=1)
        assert both.first <= alone.first and alone.last <= both.last
        assert both.log2_knots >= alone.log2_knots


@pytest.mark.parametrize("phases", [[], PLAIN, [PLAIN, PLAIN[:5]]], ids=["none", "bare", "short"])
def test_other_than_arrays_of_phases_are_refused(phases):
    with pytest.raises(ValueError, match="phases must"):
        build_tables(logistic(0.0, 1.0), phases, channels=1)


@pytest.mark.parametrize("log2_units", range(1, 14))
def test_grids_are_compared_at_two_phases_between_their_knots(log2_units):
    """Of 2^14 knots in all at most, and 2^8 a unit: between any two, or wherever dithers fall."""
    units = 1 << log2_units
    finest = min(14 - log2_units, 8)
    cell, count = np.unique(_compared(PLAIN, units).astype(int) >> 16 - finest, return_counts=True)
    assert cell.tolist() == list(range(1 << finest))
    assert np.all(count == min(2, 256 >> finest))


def test_building_asks_for_few_values_of_the_distribution():
    rng = np.random.default_rng(0)
    cdf = logistic(rng.normal(size=50), np.exp(rng.uniform(-6, 8, 50)))
    asked = []
    build_tables(lambda x: asked.append(x.shape[1]) or cdf(x), [PLAIN], channels=50)
    assert set(asked) == {1, 2048}  # a search; and knots, whose number at once bounds the memory
    assert sum(asked) <= 30 + (1 << 14) + 2048  # searches, the most knots, and padding


def test_absurd_distributions_end():
    flat = build_tables(lambda x: np.full_like(x, 0.5), [PLAIN], channels=1, farthest=50)
    assert (flat.first[0], flat.last[0]) == (-50, 50)
    for sign in (-1, 1):
        far = build_tables(logistic(sign * 1e6, 1.0), [PLAIN], channels=1, farthest=50)
        assert far.first[0] == far.last[0] == sign * 50
    for cdf in (lambda x: x, lambda x: np.full_like(x, np.nan)):
        with pytest.raises(ValueError, match="cdf"):
            build_tables(cdf, [PLAIN], channels=1)


def test_escapes_pay_for_their_distance():
    # knots 2^22, 2^23, 3 2^22: at phase 1/512 the one symbol owns a quarter, escapes the rest
    tables = assemble_tables(np.array([1, 2, 3]) << 22, np.array([0]), np.array([0]), np.array([0]))
    k = np.array([[0, 1, 2, 3, 4, -1, -(2**31)]])
    _, _, distance = symbol_intervals(k, np.full_like(k, 128), tables)
    assert distance.tolist() == [[0, 1, 2, 3, 4, 1, 2**31]]
    bits = table_bits(k, np.full_like(k, 128), tables)
    assert bits.tolist() == [[2, 1 + 1, 1 + 3, 1 + 3, 1 + 5, 2 + 1, 2 + 63]]


def test_arrays_give_the_tables_back():
    tables = build_tables(logistic([0.0, 3.0], [1.0, 2000.0]), [PLAIN], channels=2)
    for a, b in zip(tables, tables_from_arrays(tables_to_arrays(tables)), strict=True):
        assert a.dtype == b.dtype and np.array_equal(a, b)


def test_no_channels_are_tables_too():
    tables = build_tables(lambda x: x, [PLAIN], channels=0)
    assert tables_from_arrays(tables_to_arrays(tables)).values.size == 0


GOOD = build_tables(logistic([0.0, 3.0], [1.0, 5.0]), [PLAIN], channels=2)


def with_value(index, value):
    values = GOOD.values.copy()
    values[index] = value
    return GOOD._replace(values=values)


@pytest.mark.parametrize(
    "tables",
    [
        with_value(0, 0),
        with_value(-1, 1 << 24),
        with_value(5, 1 << 23),
        with_value(slice(0, 40), 7),
        GOOD._replace(values=GOOD.values[:-1]),
        GOOD._replace(values=GOOD.values.astype(float)),
        GOOD._replace(first=GOOD.last + 1),
        GOOD._replace(first=GOOD.first[:1]),
        GOOD._replace(first=GOOD.first - (1 << 21)),
        GOOD._replace(begin=GOOD.begin + 1),
        GOOD._replace(log2_knots=GOOD.log2_knots + 9),
    ],
)
def test_broken_invariants_are_refused(tables: IntegerTables):
    check_tables(GOOD)
    with pytest.raises(ValueError, match="tables:"):
        check_tables(tables)


def test_broken_arrays_are_refused():
    arrays = tables_to_arrays(GOOD)
    for name in arrays:
        with pytest.raises(ValueError, match=name):
            tables_from_arrays({k: a for k, a in arrays.items() if k != name})
        with pytest.raises(ValueError, match="tables:"):
            tables_from_arrays({**arrays, name: arrays[name][:-1]})
    with pytest.raises(ValueError, match="32 bits"):
        tables_from_arrays({**arrays, "differences": arrays["differences"].astype(np.int64) << 9})

"""Laws of tables and coder, for arbitrary tables, symbols and phases."""

import os
from unittest import mock

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from npuq.coding.arithmetic import decode_band, encode_band
from npuq.coding.intervals import MOST_INTERVALS, fill_intervals
from npuq.coding.tables import TOTAL, assemble_tables, phase_table, symbol_intervals, table_bits
from npuq.coding.tabulate import build_tables
from npuq.errors import CorruptFileError
from npuq.trained.phases import hard_phases, plain_phases, soft_phases

SIDES = np.array([-(2**31), -(2**30), -(2**24) - 1, 2**24, 2**30, 2**31 - 1])
reference = mock.patch.dict(os.environ, NPUQ_KERNELS="reference")


def random_phases(rng):
    v = np.sort(rng.random(256))
    return phase_table(0.5 + (v - 0.5) * rng.choice([0, 0.4, 1, 3]).clip(0, 1))


def random_channel(rng):
    """Knots of any shape that the invariants allow: jumps, plateaus, or all quite even."""
    g, first = int(rng.integers(0, 9)), int(rng.integers(-40, 40))
    units = int(rng.integers(2, 12))
    jumps = rng.random((units << g) + 1) ** rng.choice([1, 30, 1000])
    jumps[0] = rng.choice([0.0, jumps[0]])
    spare = (TOTAL - 2 - units) * rng.choice([1e-5, 0.5, 1.0])
    rise = np.floor(np.cumsum(jumps) / max(jumps.sum(), 1e-300) * spare).astype(np.int64)
    return 1 + rise + (np.arange(rise.size) >> g), first, first + units - 2, g


SHAPES = ((2, 3), (5, 9), (3, 7), (1, 40), (4, 2), (1, 1), (1, 2), (0, 5))
"""Rows and columns of bands: full ones, but for a single symbol and none."""
RARE, ALWAYS = 0.1, 1.0


@st.composite
def bands(draw, most_channels=3):
    """Tables, phases, symbols and dither: all from a seed, so that each is reproducible."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    channels = draw(st.integers(1, most_channels))
    phases = draw(st.sampled_from((hard_phases(), plain_phases(), soft_phases(16.0), None)))
    if phases is None:
        phases = random_phases(rng)
    if draw(st.booleans()):
        location = rng.normal(size=(channels, 1)) * rng.choice([0.0, 0.3, 10.0, 1000.0])
        slope = 10 ** rng.uniform(-3, 4, (channels, 1))
        tables = build_tables(
            lambda x: expit((x - location) * slope), [phases], channels=channels, farthest=300
        )
    else:
        knots, first, last, g = zip(*(random_channel(rng) for _ in range(channels)), strict=True)
        tables = assemble_tables(np.concatenate(knots), *map(np.array, (first, last, g)))
    shape = (channels, *draw(st.sampled_from(SHAPES)))
    low, high = (end[:, None, None].astype(np.int64) for end in (tables.first, tables.last))
    symbols = rng.integers(low - 2, high + 3, shape)
    escapes = rng.random(shape) < draw(st.sampled_from([0.0, RARE, ALWAYS]))
    symbols = np.where(escapes, rng.choice(SIDES, shape), symbols).astype(np.int32)
    dither = rng.integers(0, 256, shape, dtype=np.uint8)
    dither[rng.random(shape) < draw(st.sampled_from([0.0, RARE]))] = rng.choice([0, 255])
    return tables, phases, symbols, dither


@given(bands())
def test_round_trip_compiled_and_plain_with_the_same_bytes(band):
    tables, phases, symbols, dither = band
    data = encode_band(symbols, dither, phases, tables)
    decoded = decode_band(data, dither, phases, tables)
    assert decoded.dtype == np.int32 and np.array_equal(decoded, symbols)
    with reference:
        assert encode_band(symbols, dither, phases, tables) == data
        assert np.array_equal(decode_band(data, dither, phases, tables), symbols)


@given(bands())
def test_compiled_intervals_are_those_of_the_plain_twin(band):
    tables, phases, symbols, dither = band
    counts = np.full(symbols.shape[0], symbols[0].size)
    found = []
    for fill in (fill_intervals, fill_intervals.plain):
        room = np.empty((2, MOST_INTERVALS * symbols.size), np.int32)
        inputs = symbols.ravel(), dither.ravel(), counts, phases.astype(np.int64), tables
        found.append(room[:, : fill(*inputs, *room)])
    assert np.array_equal(*found)
    assert np.all(found[0][0] < found[0][1])


@given(bands())
def test_streams_are_as_long_as_the_tables_promise(band):
    tables, phases, symbols, dither = band
    promised = table_bits(symbols, phases[dither], tables).sum() / 8
    length = len(encode_band(symbols, dither, phases, tables))
    # two bytes to end, and per step (64 at most) a span that is rounded by 2^-22 of itself
    assert length <= promised + 2 + 3e-6 * symbols.size


@given(bands(most_channels=1))
def test_symbols_share_the_whole_without_gap_or_overlap(band):
    tables, phases, _, _ = band
    k = np.arange(tables.first[0] - 1, tables.last[0] + 2)[:, None]  # with both escapes
    k, phase = np.broadcast_arrays(k, np.unique(phases))
    lower, upper, _ = (bounds[0] for bounds in symbol_intervals(k[None], phase[None], tables))
    assert np.all(lower[0] == 0) and np.all(upper[-1] == TOTAL)
    assert np.array_equal(lower[1:], upper[:-1])
    assert np.all(lower < upper)


@given(bands(), st.binary(max_size=60))
def test_any_bytes_decode_to_something_or_are_refused(band, data):
    tables, phases, _, dither = band
    try:
        decoded = decode_band(data, dither, phases, tables)
    except CorruptFileError:
        return
    # what was decoded is what the bytes say: its own code decodes to the same
    again = encode_band(decoded, dither, phases, tables)
    assert np.array_equal(decode_band(again, dither, phases, tables), decoded)

"""The coder beside constriction's range coder, on the same probabilities."""

import numpy as np
import pytest

from npuq.coding.arithmetic import encode_band
from npuq.coding.tables import TOTAL, assemble_tables, symbol_intervals

constriction = pytest.importorskip("constriction")


def test_as_short_as_constriction():
    rng = np.random.default_rng(0)
    rise = np.cumsum(rng.random(21))
    knots = 1 + np.floor(rise / rise[-1] * (TOTAL - 30)).astype(np.int64) + np.arange(21)
    tables = assemble_tables(knots, np.array([-9]), np.array([9]), np.array([0]))
    phases = np.full(256, 128, np.uint16)  # on the knots: one distribution for all symbols
    k = np.arange(-10, 11)[None]  # with both escapes, which none of the symbols is
    lower, upper, _ = symbol_intervals(k, np.full_like(k, 128), tables)
    probabilities = ((upper - lower)[0] / TOTAL).astype(np.float64)
    coded = probabilities[1:-1] / probabilities[1:-1].sum()
    symbols = rng.choice(np.arange(-9, 10), size=(1, 100, 300), p=coded).astype(np.int32)

    ours = len(encode_band(symbols, np.zeros(symbols.shape, np.uint8), phases, tables))
    model = constriction.stream.model.Categorical(probabilities, perfect=False)
    encoder = constriction.stream.queue.RangeEncoder()
    encoder.encode(symbols.ravel() + 10, model)
    theirs = 4 * len(encoder.get_compressed())
    assert abs(ours - theirs) <= 1e-4 * theirs + 6  # they end on words of four bytes

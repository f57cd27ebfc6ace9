"""range-coder under the names of `npuq check`. It takes integer tables and writes files."""

import os
import tempfile

import numpy as np
from integer_tables import counts_of, cumulative
from range_coder import RangeDecoder, RangeEncoder


def _tables(probabilities):
    return cumulative(counts_of(probabilities)).tolist()


def entropy_encode(symbols, probabilities):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "message")
        encoder = RangeEncoder(path)
        for symbol, table in zip(symbols.tolist(), _tables(probabilities)):  # noqa: B905
            encoder.encode([symbol], table)
        encoder.close()
        with open(path, "rb") as file:
            return file.read()


def entropy_decode(data, probabilities):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "message")
        data.tofile(path)
        decoder = RangeDecoder(path)
        symbols = [decoder.decode(1, table)[0] for table in _tables(probabilities)]
        decoder.close()
    return np.array(symbols, int)

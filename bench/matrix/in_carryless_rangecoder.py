"""CarryLessRangeCoder under the names of `npuq check`. Its alphabet has 256 symbols."""

import io

import numpy as np
from carryless_rangecoder import Decoder, Encoder
from integer_tables import counts_of

ALPHABET = 256


def _tables(probabilities):
    counts = counts_of(probabilities)
    counts = np.pad(counts, ((0, 0), (0, ALPHABET - counts.shape[1])))
    return zip(counts.tolist(), counts.cumsum(1).tolist())  # noqa: B905


def entropy_encode(symbols, probabilities):
    stream = io.BytesIO()
    with Encoder(stream) as encoder:
        for symbol, table in zip(symbols.tolist(), _tables(probabilities)):  # noqa: B905
            encoder.encode(*table, symbol)
    return stream.getvalue()


def entropy_decode(data, probabilities):
    with Decoder(io.BytesIO(data.tobytes())) as decoder:
        return np.array([decoder.decode(*table) for table in _tables(probabilities)], int)

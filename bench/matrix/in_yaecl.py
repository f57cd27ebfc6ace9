"""YAECL's two coders under the names of `npuq check`: `in_yaecl.py:Arithmetic`, `:Rans`.

It takes integer tables, and hands over its bits as a file.
"""

import tempfile

import numpy as np
import yaecl
from integer_tables import BITS, counts_of, cumulative


def _tables(probabilities):
    return cumulative(counts_of(probabilities)).astype(np.int32)


def _bytes(stream):
    with tempfile.NamedTemporaryFile() as file:
        stream.save(file.name)
        return file.read()


def _stream(data):
    stream = yaecl.bit_stream_t()
    with tempfile.NamedTemporaryFile() as file:
        file.write(data.tobytes())
        file.flush()
        stream.load(file.name)
    return stream


class Arithmetic:
    """`ac_encoder_t` and `ac_decoder_t`."""

    @staticmethod
    def entropy_encode(symbols, probabilities):
        encoder = yaecl.ac_encoder_t()
        for symbol, table in zip(symbols, _tables(probabilities)):  # noqa: B905
            encoder.encode(symbol, memoryview(table), BITS)
        encoder.flush()
        return _bytes(encoder.bit_stream)

    @staticmethod
    def entropy_decode(data, probabilities):
        decoder, size = yaecl.ac_decoder_t(_stream(data)), probabilities.shape[1]
        return np.array(
            [decoder.decode(size, memoryview(t), BITS) for t in _tables(probabilities)], int
        )


class Rans:
    """`rans_codec_t`, which decodes first what was encoded last."""

    @staticmethod
    def entropy_encode(symbols, probabilities):
        codec = yaecl.rans_codec_t()
        for symbol, table in zip(symbols[::-1], _tables(probabilities)[::-1]):  # noqa: B905
            codec.encode(symbol, memoryview(table), BITS)
        codec.flush()
        return _bytes(codec.bit_stream)

    @staticmethod
    def entropy_decode(data, probabilities):
        codec, size = yaecl.rans_codec_t(_stream(data)), probabilities.shape[1]
        return np.array(
            [codec.decode(size, memoryview(t), BITS) for t in _tables(probabilities)], int
        )

"""Files of format version 1 stay decodable, and are still written byte for byte."""

import numpy as np
import pytest
from golden import make_coding_golden as golden

from npuq.codec.container import unpack
from npuq.coding.arithmetic import decode_band


@pytest.fixture(params=["fast", "reference"], autouse=True)
def kernels(request, monkeypatch):
    monkeypatch.setenv("NPUQ_KERNELS", request.param)


def test_old_files_decode_to_their_symbols():
    header, streams = unpack(golden.PATH.read_bytes())
    assert header == golden.HEADER
    tables, dither = golden.golden_tables(), golden.golden_dither()
    bands = [dither[:, :8], dither[:, 8:]]
    parts = [
        decode_band(stream, band, golden.PHASES, tables)
        for stream, band in zip(streams, bands, strict=True)
    ]
    assert np.array_equal(np.concatenate(parts, axis=1), golden.golden_symbols())


def test_the_same_bytes_are_written():
    assert golden.golden_bytes() == golden.PATH.read_bytes()

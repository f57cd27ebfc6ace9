"""Rate and memory of an array of 10^8 coefficients, in a process of its own: `arrays.py` runs this.

    python bench/speed/large_array.py COEFFICIENTS

Prints an object of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats

import npuq
from npuq.latents.container import unpack

CHANNELS = 192
WIDTHS = np.geomspace(0.1, 8.0, CHANNELS)[:, None, None]


def large_array(coefficients: int) -> dict[str, Any]:
    """Peak memory, and what encoding adds to that of the array."""
    from one_image import peak_megabytes  # beside this file, which is where Python looks

    y = np.resize((WIDTHS * np.random.default_rng(0).laplace(size=WIDTHS.shape)), (CHANNELS, 9, 9))
    tables = npuq.make_tables(scipy.stats.laplace(scale=WIDTHS[:, 0]), channels=CHANNELS)
    npuq.decode_array(npuq.encode_array(y, tables), tables)
    rows = coefficients // (CHANNELS * 512)
    y = np.empty((CHANNELS, rows, 512), np.float32)
    rng = np.random.default_rng(1)
    for c in range(CHANNELS):
        y[c] = WIDTHS[c, 0, 0] * rng.laplace(size=(rows, 512))
    Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak is what is there now
    before, start = peak_megabytes(), time.perf_counter()
    data = npuq.encode_array(y, tables, method="un+uq")
    middle, peak = time.perf_counter(), peak_megabytes()
    size = y.size
    found = {"arrays": f"{size / 1e6:.0f} million", "bits each": 8 * len(data) / size}
    assert len(unpack(data).blocks) > size >> 20
    del y
    decoded, _ = npuq.decode_array(data, tables)
    seconds = time.perf_counter() - middle
    assert decoded.size == size
    return found | {
        "encode": size / 1e6 / (middle - start),
        "decode": size / 1e6 / seconds,
        "stream MB": len(data) / 1e6,
        "array MB": 4 * size / 1e6,
        "more to encode MB": peak - before,
        "peak MB": peak_megabytes(),
    }


if __name__ == "__main__":
    print(json.dumps(large_array(int(sys.argv[1]))))

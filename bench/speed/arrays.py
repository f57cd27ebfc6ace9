"""Arrays of one's own to bytes and back, and how much memory a hundred million coefficients take.

12.6 million float32 coefficients, Laplace, with a table for each of 192 channels, or normal with a
scale for each coefficient, whole calls of `encode_array` and `decode_array` in one thread. Figures
are by processor time, of the fastest of the rounds: what else the machine does can only make them
smaller. Then 10^8 coefficients on all cores, in a process of its own, whose largest resident memory
is noted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats

import npuq

TITLE = "Arrays, million coefficients a second in one thread, and memory"
CHANNELS, SIDE, ROUNDS = 192, 256, 9
WIDTHS = np.geomspace(0.1, 8.0, CHANNELS)[:, None, None]
LARGE = 100_000_000
LARGE_ARRAY = Path(__file__).with_name("large_array.py")


def rows() -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    y = (WIDTHS * rng.laplace(size=(CHANNELS, SIDE, SIDE))).astype(np.float32)
    tables = _tables()
    os.environ["NPUQ_THREADS"] = "1"
    found = [_one(method, y, tables, {"method": method}) for method in ("un+q", "un+uq")]
    found.append(_one("un+uq+sr", y, tables, {}))
    scales = np.rint(65536 * np.broadcast_to(WIDTHS, y.shape) * rng.lognormal(size=y.shape))
    scales = np.clip(scales, 65536 * 0.11, 65536 * 256).astype(np.int64)
    y = (scales / 65536 * rng.normal(size=y.shape)).astype(np.float32)
    found.append(_one("a scale each", y, npuq.make_scale_tables(), {}, {"scales": scales}))
    del os.environ["NPUQ_THREADS"]
    command = [sys.executable, str(LARGE_ARRAY), str(LARGE)]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return [*found, json.loads(result.stdout)]


def _tables() -> npuq.latents.tables.Tables:
    return npuq.make_tables(scipy.stats.laplace(scale=WIDTHS[:, 0]), channels=CHANNELS, alpha=7.0)


def _one(
    name: str, y: Any, tables: Any, options: dict[str, Any], both: dict[str, Any] | None = None
) -> dict[str, Any]:
    both = both or {}
    seconds: dict[str, list[float]] = {"encode": [], "decode": []}
    for _ in range(ROUNDS):
        start = time.process_time()
        data = npuq.encode_array(y, tables, **options, **both)
        middle = time.process_time()
        decoded, _ = npuq.decode_array(data, tables, **both)
        seconds["encode"].append(middle - start)
        seconds["decode"].append(time.process_time() - middle)
    assert abs(decoded - y).max() < 1
    rates = {way: y.size / 1e6 / min(found) for way, found in seconds.items()}
    return {"arrays": name, "bits each": 8 * len(data) / y.size} | rates

"""Time and memory of one image, in a process of its own: `scaling.py` runs this.

    python bench/speed/one_image.py MEGAPIXELS

Prints an object of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

from npuq.codec.files import compress, decompress
from npuq.training.dead_leaves import dead_leaves


def one_image(megapixels: float) -> dict[str, float]:
    """Seconds and peak memory of one image; twice, so that nothing is compiled the second time."""
    side = 8 * round((megapixels * 1e6) ** 0.5 / 8)
    tile = dead_leaves(512, 512, seed=0)
    compress(tile, quality=4)  # compiled, or read from the cache
    decompress(compress(tile, quality=4))
    image = np.empty((side, side, 3), np.uint8)
    for top in range(0, side, 512):
        for left in range(0, side, 512):
            part = image[top : top + 512, left : left + 512]
            part[:] = tile[: part.shape[0], : part.shape[1]]
    repeats = 5 if megapixels < 5 else 1
    seconds = {}
    for name in ("compress", "decompress"):
        best = np.inf
        for _ in range(repeats):
            start = time.perf_counter()
            if name == "compress":
                data = compress(image, quality=4)
            else:
                decoded = decompress(data)
            best = min(best, time.perf_counter() - start)
        seconds[f"{name} s"] = best
        if name == "compress":
            shape = image.shape
            del image
    assert decoded.shape == shape
    return seconds | {"peak MB": peak_megabytes(), "bpp": 8 * len(data) / (side * side)}


def peak_megabytes() -> float | None:
    """Of this process; not ru_maxrss, which begins with that of the process that started it."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    print(json.dumps(one_image(float(sys.argv[1]))))

"""How time grows with the size of the image and with the number of channels, and memory with size.

Images of 0.1 to 100 megapixels are compressed and decompressed, each in a process of its own, whose
largest resident memory is noted; it holds the pixels as well. The exponent is the slope of log time
over log size by least squares: 1 is proportional. Channels: the density's kernel on 24 to 768.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import median_seconds

from npuq.models.noisy_rate import Softness, noisy_rate
from npuq.nn import nonparametric

TITLE = "Growth with the size of the image, and with the number of channels"
MEGAPIXELS = (0.1, 0.4, 1.6, 6.4, 25.0, 100.0)
CHANNELS = (24, 48, 96, 192, 384, 768)
COEFFICIENTS = 4096  # of each channel


def rows() -> list[dict[str, Any]]:
    found = []
    for megapixels in MEGAPIXELS:
        command = [sys.executable, __file__, str(megapixels)]
        result = subprocess.run(command, check=True, capture_output=True, text=True)
        found.append({"size": f"{megapixels} megapixels"} | json.loads(result.stdout))
    exponents = {
        way: _exponent(MEGAPIXELS, [row[f"{way} s"] for row in found])
        for way in ("compress", "decompress")
    }
    found += [{"size": f"exponent, {way}", "exponent": e} for way, e in exponents.items()]
    seconds = [_density(channels) for channels in CHANNELS]
    for channels, s in zip(CHANNELS, seconds, strict=True):
        found.append({"size": f"{channels} channels", "density ms": 1e3 * s})
    found.append({"size": "exponent, density", "exponent": _exponent(CHANNELS, seconds)})
    return found


def _exponent(sizes: Any, seconds: list[float]) -> float:
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def _density(channels: int) -> float:
    rng = np.random.default_rng(0)
    y = rng.normal(0, 2, (channels, COEFFICIENTS)).astype(np.float32)
    u = rng.random(y.shape, np.float32) - np.float32(0.5)
    density = nonparametric.init(rng, channels, init_scale=2.0)
    times = median_seconds({"density": lambda: noisy_rate(y, u, density, Softness(8.0, 8.0))})
    return times["density"]


def one_image(megapixels: float) -> dict[str, float]:
    """Seconds and peak memory of one image; twice, so that nothing is compiled the second time."""
    from npuq.codec.files import compress, decompress
    from npuq.training.dead_leaves import dead_leaves

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

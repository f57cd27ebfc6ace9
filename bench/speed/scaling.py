"""How time grows with the size of the image and with the number of channels, and memory with size.

Images of 0.1 to 100 megapixels are compressed and decompressed, each in a process of its own, whose
largest resident memory is noted; it holds the pixels as well. The exponent is the slope of log time
over log size by least squares: 1 is proportional. Channels: the density's kernel on 24 to 768.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from common import median_seconds

from npuq.models.noisy_rate import Softness, noisy_rate_forward
from npuq.nn import nonparametric

TITLE = "Growth with the size of the image, and with the number of channels"
MEGAPIXELS = (0.1, 0.4, 1.6, 6.4, 25.0, 100.0)
CHANNELS = (24, 48, 96, 192, 384, 768)
COEFFICIENTS = 4096  # of each channel
ONE_IMAGE = Path(__file__).with_name("one_image.py")


def rows() -> list[dict[str, Any]]:
    found = []
    for megapixels in MEGAPIXELS:
        command = [sys.executable, str(ONE_IMAGE), str(megapixels)]
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
    times = median_seconds(
        {"density": lambda: noisy_rate_forward(y, u, density, Softness(8.0, 8.0))}
    )
    return times["density"]

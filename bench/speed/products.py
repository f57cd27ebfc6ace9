"""The block transforms against the matrix product itself: achieved and measured peak.

The peak is that of a square product of 2048 x 2048 float32 matrices, measured in the same rounds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from common import median_seconds, peer

from npuq.models import linear

TITLE = "Block transforms against the peak of a matrix product"
SIZE, BLOCKS = 2048, 8 * 32 * 32


def rows() -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    square = rng.random((SIZE, SIZE), np.float32)
    blocks = rng.random((linear.CHANNELS, BLOCKS), np.float32)
    weights = rng.random((linear.CHANNELS, 3, 8, 8), np.float32)
    one = 2.0 * linear.CHANNELS**2 * BLOCKS  # FLOP of one product
    functions = {
        "peak, 2048 x 2048": (lambda: square @ square, 2.0 * SIZE**3),
        "analyse": (lambda: linear.analyse(blocks, weights), one),
        "synthesise": (lambda: linear.synthesise(blocks, weights), one),
        "synthesise_backward": (
            lambda: linear.synthesise_backward(blocks, blocks, weights),
            2 * one,
        ),
        "analyse_backward": (lambda: linear.analyse_backward(blocks, blocks, weights), 2 * one),
    }
    t = peer("torch")
    if t:
        x, w = t.from_numpy(blocks.reshape(1, 192, -1)), t.from_numpy(weights.reshape(192, 192, 1))
        found = t.nn.functional.conv1d(x, w).numpy()[0]
        assert np.allclose(found, linear.analyse(blocks, weights), rtol=1e-3), (
            "not the same product"
        )
        functions["analyse in PyTorch"] = (lambda: t.nn.functional.conv1d(x, w), one)
    seconds = median_seconds({name: f for name, (f, _) in functions.items()}, rounds=11)
    rates = {name: flop / 1e9 / seconds[name] for name, (_, flop) in functions.items()}
    peak = rates["peak, 2048 x 2048"]
    return [
        {"product": n, "ms": 1e3 * seconds[n], "GFLOP/s": rate, "of the peak": rate / peak}
        for n, rate in rates.items()
    ]

"""Makes the golden model file and the golden compressed images. Run once per format version.

    python tests/golden/make_file_golden.py

Files of users must stay readable, so these are never made again for a version that was released.
The model is as simple as one can be: pixels divided by 16, and one narrow density for all, so that
some of the coefficients are escapes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from npuq import codec
from npuq.model_file import make_model, save_model
from npuq.models.linear import CHANNELS, LinearParams
from npuq.nn import nonparametric

HERE = Path(__file__).parent
METHODS = {"un+q": "q", "un+uq": "uq", "un+uq+sr": "sr"}
SEED = 20_200_617


def golden_image() -> np.ndarray:
    """(265, 13, 3) uint8 by integer arithmetic alone: two bands of rows, and odd sizes."""
    row, column, component = np.ogrid[:265, :13, :3]
    waves = 100 + row // 7 + component * 9 + 99 * (row % 41 == 0) + (row * column) % 23
    return (waves % 256).astype(np.uint8)


def golden_params() -> LinearParams:
    unit = np.eye(CHANNELS, dtype=np.float32).reshape(CHANNELS, 3, 8, 8)
    density = nonparametric.init(np.random.default_rng(0), CHANNELS, init_scale=0.25)
    centred = density._replace(b=tuple(np.zeros_like(b) for b in density.b))
    return LinearParams(unit / np.float32(16), unit * np.float32(16), centred)


def main() -> None:
    model = make_model(golden_params(), alpha=7.0, alpha_r=9.0, lmbda=0.0125, name="golden")
    save_model(HERE / "model_v1.npz", model)
    expected = {}
    for method, short in METHODS.items():
        data = codec.compress(golden_image(), method=method, model=model, seed=SEED)
        (HERE / f"image_v1_{short}.npuq").write_bytes(data)
        symbols = codec.quantize(golden_image(), model, method, SEED)
        expected[f"{short}_symbols"] = symbols.k.astype(np.int16)
        expected[f"{short}_pixels"] = codec.dequantize(symbols, model, method)
    np.savez_compressed(HERE / "image_v1_expected.npz", **expected)


if __name__ == "__main__":
    main()

"""Makes the golden model file and the golden compressed images. Run once per format version.

    python tests/golden/make_file_golden.py linear|hyperprior

Files of users must stay readable, so these are never made again for a version that was released.
The model is as simple as one can be: pixels divided by 16, and one narrow density for all, so that
some of the coefficients are escapes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from npuq.codec.codec import Symbols
from npuq.codec.files import compress, decompress, dequantize, quantize, write_symbols
from npuq.coding.dither import dither_integers
from npuq.models import hyperprior
from npuq.models.hyperprior import HyperpriorParams
from npuq.models.linear import CHANNELS, LinearParams
from npuq.nn import nonparametric
from npuq.nn.parameters import named_arrays, with_arrays
from npuq.trained.make import make_model
from npuq.trained.model_file import save_model

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


def golden_hyperprior_params() -> HyperpriorParams:
    """Small random integers over a power of two, exact in half precision; wide scales."""
    like = hyperprior.init(np.random.default_rng(0), channels=2, latents=4, init_scale=20.0)
    rng = np.random.default_rng(1)
    arrays = {
        name: array
        if name.startswith("hyper_density") or "gdn" in name
        else (rng.integers(-8, 9, array.shape) / 32).astype(np.float32)
        for name, array in named_arrays(like).items()
    }
    arrays["hyper_synthesis.2.b"][:4] = (0.125, 1, 2, 4)  # scales, of the four latents
    return with_arrays(like, arrays)


def golden_hyperprior_symbols() -> Symbols:
    """Of an image of 600 x 70, two bands; by integers, with some escapes."""
    rng = np.random.default_rng(2)
    k = rng.integers(-3, 4, (4, 40, 8)) * rng.integers(0, 2, (4, 40, 8))
    k[:, 5, 3] = (-9999, 400, -77, 65)
    hyper_k = rng.integers(-2, 3, (2, 10, 2))
    hyper_k[:, 7, 0] = (-3000, 500)
    n, hyper_n = (
        dither_integers(a.shape, seed=SEED, tensor=tensor) for tensor, a in enumerate((k, hyper_k))
    )
    return Symbols(
        k.astype(np.int32), n, 600, 70, hyper_k=hyper_k.astype(np.int32), hyper_n=hyper_n
    )


def write_hyperprior() -> None:
    params, medians = golden_hyperprior_params(), np.array([40, -300], np.int32)
    model = make_model(
        params, alpha=7.0, alpha_r=9.0, lmbda=0.0125, name="golden", half=True, medians=medians
    )
    save_model(HERE / "model_hyperprior_v1.npz", model)
    symbols = golden_hyperprior_symbols()
    pixels = {}
    for method, short in METHODS.items():
        data = write_symbols(symbols, model, method, SEED)
        (HERE / f"hyperprior_v1_{short}.npuq").write_bytes(data)
        pixels[short] = decompress(data, model=model)
    np.savez_compressed(HERE / "hyperprior_v1_expected.npz", **pixels)


def write_linear() -> None:
    model = make_model(golden_params(), alpha=7.0, alpha_r=9.0, lmbda=0.0125, name="golden")
    save_model(HERE / "model_v1.npz", model)
    expected = {}
    for method, short in METHODS.items():
        data = compress(golden_image(), method=method, model=model, seed=SEED)
        (HERE / f"image_v1_{short}.npuq").write_bytes(data)
        symbols = quantize(golden_image(), model, method, SEED)
        expected[f"{short}_symbols"] = symbols.k.astype(np.int16)
        expected[f"{short}_pixels"] = dequantize(symbols, model, method)
    np.savez_compressed(HERE / "image_v1_expected.npz", **expected)


if __name__ == "__main__":
    {"linear": write_linear, "hyperprior": write_hyperprior}[sys.argv[1]]()

"""npuq on a device: arrays go there, and what comes of them comes back.

Where there is no GPU that is the stand-in for CuPy of `tests/gpu`, whose kernels run in an
emulator. Noise, dither, and in float32 GDN, convolutions and Adam are our kernels; all else is made
of operations of CuPy's arrays. Entropy coder and codec work on the host.
"""

import sys
from pathlib import Path

import numpy as np

from npuq.checks import ours
from npuq.coding.dither import BLOCK, dither_values, dither_words
from npuq.coding.noise import noise_place, uniform_noise

try:
    import cupy
except ImportError:
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
    import pytest
    from gpu import standin

    cupy = standin.install(pytest.MonkeyPatch())

HOST = ("entropy", "escape", "codec")


def _on_device(function):
    def call(*arguments):
        given = [cupy.asarray(a) if isinstance(a, np.ndarray) else a for a in arguments]
        return _on_host(function(*given))

    return call


def _on_host(result):
    if isinstance(result, tuple):
        return tuple(_on_host(part) for part in result)
    return cupy.asnumpy(result)


def _noise(shape, seed):
    return _on_host(uniform_noise(cupy.asarray(noise_place(seed, 0, 0)), shape))


def _dither(shape, seed, tensor=0):
    """Files make it on the host; these are the words of the device, on the grid of a file."""
    channels, rows, columns = shape
    blocks = -(-columns // BLOCK)
    key = cupy.asarray(np.array([seed, 0], np.uint32))
    words = _on_host(dither_words(channels, rows, blocks, 0, 0, tensor, key))
    n = words.astype("<u4").view(np.uint8).reshape(channels, rows, blocks * BLOCK)
    return dither_values(n[:, :, :columns])


def _batch_dither(shape, seeds, tensor):
    return np.stack([_dither(shape, int(seed), tensor) for seed in seeds])


FUNCTIONS = {
    name: _on_device(function)
    for name, function in ours.FUNCTIONS.items()
    if not name.startswith(HOST)
} | {"uniform_noise": _noise, "dither": _dither, "batch_dither": _batch_dither}

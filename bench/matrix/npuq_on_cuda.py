"""npuq on a device: arrays go there, and what comes of them comes back.

Where there is no GPU that is the stand-in for CuPy of `tests/gpu`, whose kernels run in an
emulator, and functions that the stand-in does not know are NumPy's. Entropy coder and codec work on
the host.
"""

import sys
from pathlib import Path

import numpy as np

from npuq.checks import ours

try:
    import cupy
except ImportError:
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
    import pytest
    from gpu import standin

    cupy = standin.install(pytest.MonkeyPatch())

HOST = ("entropy", "escape", "codec", "uniform_noise", "dither", "batch_dither")


def _on_device(function):
    def call(*arguments):
        given = [cupy.asarray(a) if isinstance(a, np.ndarray) else a for a in arguments]
        return _on_host(function(*given))

    return call


def _on_host(result):
    if isinstance(result, tuple):
        return tuple(_on_host(part) for part in result)
    return cupy.asnumpy(result)


FUNCTIONS = {
    name: _on_device(function)
    for name, function in ours.FUNCTIONS.items()
    if not name.startswith(HOST)
}

"""A large image is coded in the memory of its pixels and of a few bands or tiles."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from npuq.runtime.compile import use_reference

PROGRAM = """
import sys
import numpy as np
from models import picture, tiny_hyperprior, tiny_model
from npuq.codec.files import compress, decompress

def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))

model = {"linear": tiny_model, "hyperprior": tiny_hyperprior}[sys.argv[1]](16.0)
tile = picture(250, 200)
decompress(compress(tile, model=model), model=model)
image = np.tile(tile, (int(sys.argv[2]), 20, 1))
before = peak()
data = compress(image, model=model)
compressed = peak()
decoded = decompress(data, model=model)
print(before, compressed, peak(), decoded.shape == image.shape)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's /proc")
@pytest.mark.skipif(use_reference(), reason="takes long in plain Python")
@pytest.mark.parametrize(
    ("kind", "height", "limits"), [("linear", 24, (150, 150)), ("hyperprior", 12, (150, 150))]
)
def test_memory_is_for_some_bands_beside_the_pixels(
    kind: str, height: int, limits: tuple[int, int]
) -> None:
    """24 megapixels by the linear model: 288 MB for each array of coefficients, of which several
    are needed at once. 12 by the hyperprior model: as much in its first layer."""
    tests = Path(__file__).parents[1]
    python_path = os.pathsep.join((str(tests / "support"), str(tests.parent)))
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, kind, str(height)],
        env=os.environ | {"PYTHONPATH": python_path},
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    before, compressed, decompressed, same_shape = result.stdout.split()
    assert same_shape == "True"
    assert int(compressed) - int(before) < limits[0]
    assert int(decompressed) - int(before) < limits[1] + 3 * height  # the decoded pixels

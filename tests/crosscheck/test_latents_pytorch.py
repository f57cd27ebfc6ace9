"""The example that sends latents of PyTorch to another process: the same symbols arrive."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_other_process_has_the_same_symbols(tmp_path: Path) -> None:
    """As PyTorch computes them; a wrong scale would show in the bits, by a tenth of a bit each."""
    pytest.importorskip("torch")
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "latents_pytorch.py")],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found = re.fullmatch(r"(\d\.\d+) bits each; 0 of 41472 symbols differ\n", done.stdout)
    assert found is not None, done.stdout
    assert 4.1 < float(found[1]) < 4.25

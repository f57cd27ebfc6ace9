"""Every kernel becomes machine code of three kinds of card, without a spill and in few registers.

What ptxas says is kept in a folder for temporary files, by the content of the kernels.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from gpu.emulator import signatures

from npuq.kernels.cuda.launch import HERE

NVCC = shutil.which("nvcc") or shutil.which("/usr/local/cuda/bin/nvcc")
CARDS = ("80", "90", "100")  # A100, H100 and H200, B200
FILES = sorted(HERE.glob("*.cu"))
# At most so many; a multiprocessor has 65,536. Others are far below and need not be watched.
USUAL = 72
PRODUCTS = ("normalize", "normalize_backward", "add_through_pool", "weight_gradients")
REGISTERS = {"noisy_rate_3": 168, "noisy_rate_4": 216} | dict.fromkeys(PRODUCTS, 168)

pytestmark = pytest.mark.skipif(NVCC is None, reason="needs nvcc")


def ptxas(file: Path) -> str:
    """What ptxas says of a file's kernels, for each of the cards."""
    assert NVCC is not None
    texts = [p.read_bytes() for p in (file, *sorted(HERE.glob("*.cuh")))]
    texts += [Path(NVCC).resolve().as_posix().encode(), str(CARDS).encode()]
    folder = Path(tempfile.gettempdir()) / f"npuq-nvcc-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    kept = folder / hashlib.sha256(b"\0".join(texts)).hexdigest()[:24]
    if not kept.exists():
        with tempfile.TemporaryDirectory(dir=folder) as work:
            cards = [f"-gencode=arch=compute_{card},code=sm_{card}" for card in CARDS]
            options = ["--fatbin", "--std=c++17", "-ftz=true", "-Xptxas=-v", f"-I{HERE}"]
            command = [NVCC, *options, *cards, str(file), "-o", str(Path(work) / "fatbin")]
            result = subprocess.run(command, capture_output=True, text=True)
            assert result.returncode == 0, result.stderr
            assert "warning" not in result.stderr, result.stderr
            (Path(work) / "said").write_text(result.stderr, encoding="utf-8")
            os.replace(Path(work) / "said", kept)
    return kept.read_text(encoding="utf-8")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_kernels_compile_without_spills(file: Path) -> None:
    found = re.findall(
        r"Compiling entry function '(\w+)' for 'sm_(\d+)'.*?"
        r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads.*?"
        r"Used (\d+) registers",
        ptxas(file),
        re.DOTALL,
    )
    kernels = signatures(file.read_text(encoding="utf-8"))
    assert kernels and sorted((k, c) for k, c, *_ in found) == sorted(
        (k, c) for k in kernels for c in CARDS
    )
    for kernel, card, _, stores, loads, registers in found:
        where = f"{kernel} on sm_{card}"
        assert stores == loads == "0", f"{where} spills"
        assert int(registers) <= REGISTERS.get(kernel, USUAL), f"{where}: {registers} registers"

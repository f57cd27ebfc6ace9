"""How long a command takes from the shell: a new process each time, with Numba's cache filled."""

from __future__ import annotations

import functools
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from common import median_seconds

from npuq.io.image_writing import write_image
from npuq.training.dead_leaves import dead_leaves

TITLE = "Start-up and whole commands, seconds"


def rows() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_image(folder / "image.png", dead_leaves(512, 768, seed=1))
        image, file, out = (str(folder / name) for name in ("image.png", "image.npuq", "out.png"))
        commands = {
            "python -c pass": ["-c", "pass"],
            "import numpy": ["-c", "import numpy"],
            "import npuq": ["-c", "import npuq"],
            "npuq --help": ["-m", "npuq", "--help"],
            "npuq compress, 768x512": ["-m", "npuq", "compress", image, file],
            "npuq decompress, 768x512": ["-m", "npuq", "decompress", file, out],
        }
        functions = {name: functools.partial(_run, command) for name, command in commands.items()}
        seconds = median_seconds(functions, rounds=5)
    return [{"command": name, "seconds": value} for name, value in seconds.items()]


def _run(command: list[str]) -> None:
    subprocess.run([sys.executable, *command], check=True, capture_output=True)

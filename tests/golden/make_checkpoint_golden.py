"""Makes the golden checkpoint of a training: one that has done 2 of 4 steps, and where it ends.

    python tests/golden/make_checkpoint_golden.py

Writes `checkpoint_vN.npz` and `checkpoint_vN_end.npz`, N the format of this version. Runs of users
must be resumable, so those of released formats are never made again.
"""

from __future__ import annotations

import functools
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.nn.parameters import named_arrays
from npuq.training.checkpoint import FORMAT
from npuq.training.dead_leaves import dead_leaves_batch
from npuq.training.loop import train_parameters
from npuq.training.options import TrainingOptions

HERE = Path(__file__).parent
SETTINGS: dict[str, Any] = {
    "model": "hyperprior",
    "size": (2, 4),
    "crop": 64,
    "batch_size": 1,
    "steps": 4,
    "start": "klt",
    "clip_norm": 1.0,
    "learning_rate": 1e-3,
    "seed": 5,
}
SINCE = {
    2: {},
    3: {"coordinates": "frequency", "average_steps": 3, "skip_ratio": 10.0, "warmup_steps": 2},
    4: {"average_steps": 3, "alpha_start": 1.0, "alpha_end": 4.0},
}
"""What each format added, or the next one changes."""
PROVENANCE = {"name": "old"}


def run(folder: Path, options: TrainingOptions, **more: Any) -> dict[str, Array]:
    """The parameters that the run comes to."""
    source = functools.partial(dead_leaves_batch, batch_size=1, crop=64)
    none = np.zeros((0, 64, 64, 3), np.uint8)
    trained = train_parameters(
        source, none, folder, options, provenance=PROVENANCE, checkpoint_every=100, **more
    )
    return named_arrays(trained)


def main() -> None:
    options = TrainingOptions(**SETTINGS | SINCE[FORMAT])
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), options, stop_after=2)
        shutil.copy(Path(folder) / "checkpoint.npz", HERE / f"checkpoint_v{FORMAT}.npz")
        np.savez(HERE / f"checkpoint_v{FORMAT}_end.npz", **run(Path(folder), options, resume=True))


if __name__ == "__main__":
    main()

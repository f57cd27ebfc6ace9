"""Checkpoints of every format go on to where they went when they were made."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from golden.make_checkpoint_golden import SETTINGS, SINCE, run

from npuq.training.options import TrainingOptions

HERE = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.parametrize("version", SINCE)
def test_a_checkpoint_of_any_format_goes_on_as_it_did(version: int, tmp_path: Path) -> None:
    options = TrainingOptions(**SETTINGS | SINCE[version])
    if version < 4:
        options = dataclasses.replace(options, noise="pcg64")
    if version == 2:  # it had no coordinates for the hyperprior model
        options = dataclasses.replace(options, coordinates="pixel")
    shutil.copy(HERE / f"checkpoint_v{version}.npz", tmp_path / "checkpoint.npz")
    start = run(tmp_path, options, resume=True, stop_after=2)  # no step more
    found = run(tmp_path, options, resume=True)
    with np.load(HERE / f"checkpoint_v{version}_end.npz") as file:
        assert file.files == list(found)
        for name, array in found.items():
            way = np.abs(file[name] - start[name]).max()
            assert way > 1e-6, name
            # gradients are rounded otherwise by another machine's BLAS: a hundredth of the way
            np.testing.assert_allclose(array, file[name], atol=way / 100, rtol=0, err_msg=name)

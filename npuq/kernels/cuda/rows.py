"""Twins of `npuq.nn.rows` on a CUDA device."""

from __future__ import annotations

from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.kernels.cuda.launch import launch, launch_each, size
from npuq.runtime.twins import takes


def _contiguous(*arrays: Any) -> bool:
    return all(a.flags.c_contiguous for a in arrays)


@takes((np.uint32, np.int64, np.uint32), when=_contiguous)
def take_row(table: Array, count: Array, row: Array) -> None:
    """Fast twin of `npuq.nn.rows.take_row`."""
    sizes = size(table.shape[:1]), size(row.shape)
    launch_each("rows", "take_row", row.size, table, count, row, *sizes)


@takes((np.float64, np.float64, np.float64, np.float64, np.int64), when=_contiguous)
def keep_losses(loss: Array, bpp: Array, mse: Array, table: Array, count: Array) -> None:
    """Fast twin of `npuq.nn.rows.keep_losses`."""
    launch("rows", "keep_losses", (1,), (1,), loss, bpp, mse, table, count, size(table.shape[:1]))

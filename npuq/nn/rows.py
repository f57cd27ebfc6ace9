"""Tables of what changes from step to step, so that a device does many steps without the host.

The host writes a row for each of the next steps; each step takes its own, by a count that lies
beside the table, and leaves its losses in a table that the host reads when it likes. So a step is
the same launches with the same arguments every time, and can be recorded and replayed.
"""

from __future__ import annotations

from npuq.backend import Array, xp_of
from npuq.runtime.twins import has_twins


def _check_take(table: Array, count: Array, row: Array) -> None:
    if table.ndim != 2 or table.shape[1:] != row.shape or count.shape != (1,):
        raise ValueError(
            f"table must be (n, m), row (m,) and count (1,), not {table.shape}, {row.shape} and "
            f"{count.shape}"
        )


@has_twins(check=_check_take)
def take_row(table: Array, count: Array, row: Array) -> None:
    """Copy row `count` of a table, which begins anew after its last one. It has a twin.

    Args:
        table: (n, m) uint32.
        count: (1,) int64.
        row: (m,) uint32, written to.

    Raises:
        ValueError: shapes that do not fit each other.
    """
    row[:] = table[count % len(table)][0]


def _check_keep(loss: Array, bpp: Array, mse: Array, table: Array, count: Array) -> None:
    if table.ndim != 2 or table.shape[1] != 3 or count.shape != (1,):
        raise ValueError(f"table must be (n, 3) and count (1,), not {table.shape}, {count.shape}")
    if not loss.size == bpp.size == mse.size == 1:
        raise ValueError("loss, bpp and mse must be one number each")


@has_twins(check=_check_keep)
def keep_losses(loss: Array, bpp: Array, mse: Array, table: Array, count: Array) -> None:
    """Write three losses to row `count` of a table, and count on. It has a twin.

    Args:
        loss, bpp, mse: one number each, float64.
        table: (n, 3) float64, written to.
        count: (1,) int64, written to.

    Raises:
        ValueError: shapes that do not fit each other.
    """
    parts = [part.reshape(1) for part in (loss, bpp, mse)]
    table[count % len(table)] = xp_of(table).concatenate(parts)
    count += 1

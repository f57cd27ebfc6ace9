"""The table of each coefficient, from its scale: Eq. 23, decided by integers.

A scale that lies next to a threshold must fall to the same side for both: one table that differs,
and all that follows decodes to garbage. Integers do; floats that a network computes again on
another machine, in another batch or by another library do not, in their last bits.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from npuq.backend import Array, check_unmasked
from npuq.errors import InvalidArrayError
from npuq.latents.layout import Block, by_channel, place_of
from npuq.latents.tables import Tables
from npuq.runtime.threads import map_in_threads
from npuq.trained.integer_scales import FRACTION


def check_scales(
    scales: Any, tables: Tables, shape: tuple[int, ...], *, are_shared: bool
) -> Array | None:
    """The scales as an array of the shape of the coefficients, which takes no more memory.

    Raises:
        InvalidArrayError: there are none where the tables want them, or some where they do not;
            another shape; floats that are not said to be shared; negative, or not numbers.
        TypeError: they are masked.
    """
    if (scales is None) != (tables.thresholds is None):
        wanted = "have a table for each level of scales: give the scale of each coefficient"
        unwanted = "are of channels and take no scales; make_scale_tables makes those that do"
        raise InvalidArrayError(f"the tables {wanted if scales is None else unwanted}")
    if scales is None:
        return None
    check_unmasked(scales, "scales")
    scales = np.asarray(scales)
    if scales.dtype.kind == "f":
        if not are_shared:
            raise InvalidArrayError(
                "scales are floats. A decoder that computes them again gets other last bits on "
                "another machine, chooses another table somewhere, and decodes garbage from there "
                "on. Give integers that both sides compute exactly, round(2**16 * scale / step); "
                "or, if both sides hold this very array, as where it is sent along, say "
                "scales_are_shared=True"
            )
        if np.isnan(np.max(scales, initial=0)):  # the largest of any that are not numbers is none
            raise InvalidArrayError("scales hold NaN")
    elif scales.dtype.kind not in "iu":
        raise InvalidArrayError(f"scales must be integers or floats, not {scales.dtype}")
    if (least := np.min(scales, initial=0)) < 0:
        # they would have the table of the smallest scale; often, logarithms or an overflow
        raise InvalidArrayError(f"scales must not be negative, but {least} is among them")
    try:
        return np.broadcast_to(scales, shape)
    except ValueError:
        raise InvalidArrayError(
            f"scales of shape {scales.shape} do not fit an array of shape {shape}"
        ) from None


def level_indexes(scales: Array, tables: Tables, blocks: list[Block]) -> list[Array]:
    """How many thresholds the scales of each block reach, (1, rows, columns) uint8 (Eq. 23).

    Args:
        scales: in the shape of the array: integers in 2^-16 steps, or floats in its units.
        tables: with thresholds.
        blocks: of the grid.
    """
    assert tables.thresholds is not None, "tables of channels"
    thresholds, view = tables.thresholds, by_channel(scales, None)

    def find(block: Block) -> Array:
        part = view[place_of(block, view)]
        if part.dtype.kind == "f":  # division and product are exactly rounded: the same everywhere
            with np.errstate(over="ignore"):  # of the largest scale, as all that are beyond it
                part = part.astype(np.float64) / tables.step * 2.0**FRACTION
        return np.searchsorted(thresholds, part, side="right").astype(np.uint8)

    return map_in_threads(find, blocks)


def indexes_crc(indexes: list[Array]) -> int:
    """The CRC-32 of the tables of all coefficients: both sides must have the same."""
    crc = 0
    for part in indexes:
        crc = zlib.crc32(np.ascontiguousarray(part).data, crc)
    return crc


def sorted_by_level(indexes: Array, tables: Tables) -> tuple[Array, Array]:
    """The order that sorts coefficients by table, and how many there are for each."""
    flat = indexes.ravel()
    return np.argsort(flat, kind="stable"), np.bincount(flat, minlength=tables.integers.first.size)

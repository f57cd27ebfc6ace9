"""Bands: what is one stream each, so that it is coded and decoded by itself, on a core of its own.

A band is 32 rows of the grid of latents, over the whole width of the image; the last one may be
lower. For the linear model a place of that grid is a block of 8x8 pixels, for the others a latent
of 16x16. Bands are part of the file format.
"""

from __future__ import annotations

from npuq.runtime.threads import divided

BAND_ROWS = 32


def band_count(rows: int) -> int:
    """How many bands so many rows of latents are."""
    return -(-rows // BAND_ROWS)


def bands_of(rows: int) -> list[slice]:
    """The bands of so many rows of latents, from the top."""
    return divided(rows, BAND_ROWS)

"""The dither that encoder and decoder share: 8-bit integers, addressed by coordinate.

Shapes: C channels, `rows` x `columns` of the latent grid.

Dither n of a place depends on (seed, tensor, channel, row, column) only: neither on the position
in a batch, nor on the order of calls, nor on the band of rows that is being coded. NumPy's and the
frameworks' generators do not promise their streams forever; this one is part of the file format.
"""

from __future__ import annotations

import hashlib
import reprlib

import numpy as np
import numpy.typing as npt

from npuq.arguments import float_type, integer, sizes
from npuq.backend import Array, check_unmasked, to_device, xp_of
from npuq.coding.philox import WORD_MASK, philox4x32
from npuq.runtime.twins import has_twins

DITHER_BITS = 8
DITHER_LEVELS = 1 << DITHER_BITS
BLOCK = 16  # dithers, one byte each, in the four words that a counter gives


def dither_integers(
    shape: tuple[int, int, int],
    *,
    seed: int,
    tensor: int = 0,
    first_channel: int = 0,
    first_row: int = 0,
    first_column: int = 0,
    device: str = "cpu",
) -> Array:
    """The dither integers n of a window of the latent grid. Sec. 3.2.

    The counter (column // 16, row, channel, tensor) under the key (seed mod 2^32, seed div 2^32)
    gives four words: sixteen bytes, least significant first, for sixteen neighbouring columns.

    Args:
        shape: (C, rows, columns) of the window.
        seed: 0 .. 2^64 - 1.
        tensor: number of the tensor within the file, so that no two share their dither.
        first_channel, first_row, first_column: where the window begins.
        device: "cpu" or "cuda", where they are made and lie.

    Returns:
        n: uint8 of `shape`, uniform on 0 .. 255; the same numbers as in any larger window.

    Raises:
        ValueError: `seed`, or a coordinate, is out of range.
        TypeError: an argument is no integer.

    Example: known answers, which hold forever and everywhere; `examples/` has the same in PyTorch
        and JAX, on any device.
        >>> dither_integers((1, 1, 8), seed=0).tolist()
        [[[213, 232, 39, 102, 141, 197, 105, 225]]]
        >>> place = {"first_channel": 3, "first_row": 5, "first_column": 7}
        >>> dither_integers((1, 1, 4), seed=0x0123456789ABCDEF, tensor=2, **place).tolist()
        [[[192, 177, 104, 181]]]
    """
    seed = integer(seed, "seed", 0, (1 << 64) - 1)
    tensor = integer(tensor, "tensor", 0, WORD_MASK)
    channels, rows, columns = sizes(shape, "shape", axes=3)
    first_channel = integer(first_channel, "first_channel", 0, WORD_MASK)
    first_row = integer(first_row, "first_row", 0, WORD_MASK)
    first_column = integer(first_column, "first_column", 0, WORD_MASK)
    if max(first_channel + channels, first_row + rows, first_column + columns) > WORD_MASK:
        raise ValueError("shape: a coordinate of the dither must be below 2**32")
    first_block, skipped = divmod(first_column, BLOCK)
    blocks = -(-(skipped + columns) // BLOCK)
    key = to_device(np.array([seed & WORD_MASK, seed >> 32], np.uint32), device)
    place = channels, rows, blocks, first_block, first_row, tensor
    words = dither_words(*place, key, first_channel)
    n = words.astype("<u4", copy=False).view(np.uint8).reshape(channels, rows, blocks * BLOCK)
    n = n[:, :, skipped : skipped + columns]
    return xp_of(n).ascontiguousarray(n)


@has_twins()
def dither_words(
    channels: int, rows: int, blocks: int, first_block: int, first_row: int, tensor: int,
    key: Array, first_channel: int = 0,
) -> Array:  # fmt: skip
    """The Philox words of a window, uint32 (channels, rows, blocks, 4). It has fast twins.

    Args:
        channels, rows, blocks: size of the window; a block is 16 columns.
        first_block, first_row, first_channel: where it begins.
        tensor: number of the tensor within the file.
        key: (2,) uint32.
    """
    xp = xp_of(key)
    counter = xp.empty((channels, rows, blocks, 4), np.uint32)
    counter[..., 0] = xp.arange(first_block, first_block + blocks)
    counter[..., 1] = xp.arange(first_row, first_row + rows)[:, None]
    counter[..., 2] = xp.arange(first_channel, first_channel + channels)[:, None, None]
    counter[..., 3] = tensor
    return philox4x32(counter, key)


def dither_values(n: Array, dtype: npt.DTypeLike = np.float32) -> Array:
    """u = (n + 1/2) / 256 - 1/2, the dither as a number. Sec. 3.2.

    Args:
        n: integers 0 .. 255, any shape.
        dtype: float32 or float64; u is exact in both.

    Returns:
        u: 256 levels, 1/256 apart and symmetric about 0, never -1/2 or 1/2. Their mean is 0, and
        their variance 1/12 but for 2^-16 of it.

    Raises:
        TypeError: n is no array of integers, or dtype another one.
        ValueError: n is out of range.

    Departure: the paper's u is continuous, so that the error k + u - y has mean 0 for every y
        (Eq. 6). With b bits it lies on a grid of step 2^-b that moves with y, and its mean over the
        dither is 0 on average over y, but for a given y up to half a step: 1/512 of a quantization
        step, as for y = 1/512. Sixteen bits would make that 2^-17 without longer files, at a cost:
        tables of phases and of reconstructions with 65,536 entries, beyond a core's first cache,
        where there are 256; twice the random bytes; and hyper-latents in 2^-17 instead of 2^-9,
        which leaves 256 times smaller weights with exact sums. The format has room for it, as
        another kind of dither. Eq. 8 holds for any dither when, as here, encoder and decoder use
        the same one.
    """
    if not hasattr(n, "dtype") or n.dtype.kind not in "iu":
        raise TypeError(f"n must be an array of integers from 0 to 255, not {reprlib.repr(n)}")
    if n.dtype != np.uint8 and n.size and not (n.min() >= 0 and n.max() < DITHER_LEVELS):
        raise ValueError(f"n must be integers from 0 to 255, not from {n.min()} to {n.max()}")
    return (n.astype(float_type(dtype)) + 0.5) / DITHER_LEVELS - 0.5


def content_seed(y: Array) -> int:
    """A seed that follows from an array: equal arrays get equal files, and others another dither.

    Returns:
        The first 8 bytes, least significant first, of the SHA-256 of its numbers in C order, each
        with its least significant byte first.

    Raises:
        TypeError: no real numbers, or a masked array.

    Departure: the dither is now a function of y. Of SHA-256 and Philox nobody can tell that, but
        Eq. 6 for independent noise no longer holds by construction.
    """
    check_unmasked(y, "y")
    y = np.ascontiguousarray(y)
    if y.dtype.kind not in "biuf":
        raise TypeError(f"y must be an array of real numbers, not of {y.dtype}")
    y = y.astype(y.dtype.newbyteorder("<"), copy=False)
    digest = hashlib.sha256(y.reshape(-1).view(np.uint8).data)
    return int.from_bytes(digest.digest()[:8], "little")

"""The dither of npuq's files in PyTorch, bit by bit, on any device.

    pip install '.[crosscheck]' && python examples/dither_pytorch.py

Philox4x32-10 of Salmon et al. (2011): the counter (column // 16, row, channel, tensor) under the
key (seed mod 2^32, seed div 2^32) gives sixteen bytes, for sixteen neighbouring columns. PyTorch
computes in int64; products of 32 by 32 bits do not fit, and are taken in halves.
"""

from __future__ import annotations

import sys

import npuq

try:
    import torch
except ImportError as error:
    print(f"this example needs PyTorch (pip install '.[crosscheck]'): {error}", file=sys.stderr)
    sys.exit(2)


def dither(
    shape: tuple[int, int, int], seed: int, tensor: int = 0, device: str = "cpu"
) -> torch.Tensor:
    """n, uint8 of a shape (C, rows, columns), as npuq.dither_integers; u = (n + 1/2)/256 - 1/2."""
    blocks, low = -(-shape[2] // 16), 0xFFFFFFFF
    sizes = (shape[0], shape[1], blocks)
    channel, row, block = torch.meshgrid(
        *(torch.arange(size, device=device) for size in sizes), indexing="ij"
    )
    c = [block, row, channel, torch.full_like(row, tensor)]
    for i in range(10):
        k0, k1 = (seed + i * 0x9E3779B9) & low, ((seed >> 32) + i * 0xBB67AE85) & low
        (high0, low0), (high1, low1) = product(c[0], 0xD2511F53), product(c[2], 0xCD9E8D57)
        c = [high1 ^ c[1] ^ k0, low1, high0 ^ c[3] ^ k1, low0]
    n = torch.stack([word >> shift & 0xFF for word in c for shift in (0, 8, 16, 24)], dim=-1)
    return n.to(torch.uint8).reshape(shape[0], shape[1], -1)[:, :, : shape[2]]


def product(a: torch.Tensor, m: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The high and the low 32 bits of a m, where both have 32."""
    upper = a * (m >> 16) + (a * (m & 0xFFFF) >> 16)  # a m / 2^16, rounded down
    return upper >> 16, (upper & 0xFFFF) << 16 | a * (m & 0xFFFF) & 0xFFFF


def main() -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    shape, seed, tensor = (3, 40, 50), 0x0123456789ABCDEF, 1
    theirs = dither(shape, seed, tensor, device).cpu().numpy()
    ours = npuq.dither_integers(shape, seed=seed, tensor=tensor)
    print(f"on {device}: {int((ours != theirs).sum())} of {ours.size} differ")


if __name__ == "__main__":
    main()

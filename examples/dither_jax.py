"""The dither of npuq's files in JAX, bit by bit, on any device.

    pip install jax && python examples/dither_jax.py

Philox4x32-10 of Salmon et al. (2011): the counter (column // 16, row, channel, tensor) under the
key (seed mod 2^32, seed div 2^32) gives sixteen bytes, for sixteen neighbouring columns. JAX has 32
bits unless told otherwise, so the high half of a product is put together of four small ones.
"""

from __future__ import annotations

import sys

import npuq

try:
    import jax
    import jax.numpy as jnp
except ImportError as error:
    print(f"this example needs JAX (pip install jax): {error}", file=sys.stderr)
    sys.exit(2)


def dither(shape: tuple[int, int, int], seed: int, tensor: int = 0) -> jax.Array:
    """n, uint8 of a shape (C, rows, columns), as npuq.dither_integers; u = (n + 1/2)/256 - 1/2."""
    blocks, low = -(-shape[2] // 16), 0xFFFFFFFF
    sizes = (shape[0], shape[1], blocks)
    channel, row, block = jnp.meshgrid(
        *(jnp.arange(size, dtype=jnp.uint32) for size in sizes), indexing="ij"
    )
    c = [block, row, channel, jnp.full(sizes, tensor, jnp.uint32)]
    for i in range(10):
        k0, k1 = (seed + i * 0x9E3779B9) & low, ((seed >> 32) + i * 0xBB67AE85) & low
        (high0, low0), (high1, low1) = product(c[0], 0xD2511F53), product(c[2], 0xCD9E8D57)
        c = [high1 ^ c[1] ^ jnp.uint32(k0), low1, high0 ^ c[3] ^ jnp.uint32(k1), low0]
    n = jnp.stack([word >> shift & 0xFF for word in c for shift in (0, 8, 16, 24)], axis=-1)
    return n.astype(jnp.uint8).reshape(shape[0], shape[1], -1)[:, :, : shape[2]]


def product(a: jax.Array, m: int) -> tuple[jax.Array, jax.Array]:
    """The high and the low 32 bits of a m, where both have 32."""
    a0, a1, m0, m1 = a & 0xFFFF, a >> 16, jnp.uint32(m & 0xFFFF), jnp.uint32(m >> 16)
    middle = a1 * m0 + (a0 * m0 >> 16)  # below 2^32, as is what follows
    return a1 * m1 + (middle >> 16) + (a0 * m1 + (middle & 0xFFFF) >> 16), a * jnp.uint32(m)


def main() -> None:
    shape, seed, tensor = (3, 40, 50), 0x0123456789ABCDEF, 1
    theirs = jax.device_get(dither(shape, seed, tensor))
    ours = npuq.dither_integers(shape, seed=seed, tensor=tensor)
    print(f"on {jax.devices()[0].platform}: {int((ours != theirs).sum())} of {ours.size} differ")


if __name__ == "__main__":
    main()

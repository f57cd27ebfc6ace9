"""The dither as the examples write it in PyTorch and JAX, where installed: bit by bit the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import module_at

import npuq

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(params=["pytorch", "jax"])
def twin(request: pytest.FixtureRequest) -> Any:
    pytest.importorskip({"pytorch": "torch"}.get(request.param, request.param))
    return module_at(EXAMPLES / f"dither_{request.param}.py")


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**32, 0x0123456789ABCDEF, 2**64 - 1])
@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 4, 37), (2, 3, 48)])
@pytest.mark.parametrize("tensor", [0, 2, 2**32 - 1])
def test_the_twin_is_the_dither_bit_by_bit(
    twin: Any, seed: int, shape: tuple[int, int, int], tensor: int
) -> None:
    n = np.asarray(twin.dither(shape, seed, tensor))
    assert n.dtype == np.uint8
    np.testing.assert_array_equal(n, npuq.dither_integers(shape, seed=seed, tensor=tensor))


def test_products_of_32_bits_are_exact(twin: Any) -> None:
    """Where halves carry: all ones, and what stands next to powers of two."""
    numbers = [0, 1, 0xFFFF, 0x10000, 0x10001, 0x7FFFFFFF, 0x80000000, 0xFFFF0000, 0xFFFFFFFF]
    for m in (0xD2511F53, 0xCD9E8D57, 0xFFFFFFFF, 0xFFFF, 0xFFFF0000):
        if hasattr(twin, "torch"):
            a = twin.torch.tensor(numbers, dtype=twin.torch.int64)
        else:
            a = twin.jnp.array(numbers, twin.jnp.uint32)
        high, low = (np.asarray(part).tolist() for part in twin.product(a, m))
        assert [h << 32 | w for h, w in zip(high, low, strict=True)] == [x * m for x in numbers]


def test_the_example_says_that_none_differ(twin: Any, capsys: pytest.CaptureFixture[str]) -> None:
    twin.main()
    assert ": 0 of 6000 differ" in capsys.readouterr().out

"""Products that add to what is there are `c += a @ b`, whatever views they are given."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from npuq.kernels import products
from npuq.kernels.products import add_product, map_products


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(5, 4, 3), (1, 4, 3), (5, 1, 3), (5, 4, 1), (1, 1, 1)])
@pytest.mark.parametrize("transposed", [(False, False), (True, False), (False, True)], ids=str)
def test_it_is_the_plain_product(
    dtype: Any, shape: tuple[int, int, int], transposed: tuple[bool, bool]
) -> None:
    """On parts of larger arrays, which stay as they are around them."""
    m, k, n = shape
    rng = np.random.default_rng(0)

    def part(rows: int, columns: int, is_transposed: bool = False) -> Any:
        if is_transposed:
            return part(columns, rows).T
        return rng.standard_normal((rows + 2, columns + 3)).astype(dtype)[1 : rows + 1, 2:-1]

    a, b, c = part(m, k, transposed[0]), part(k, n, transposed[1]), part(m, n)
    around, before = c.base.copy(), c.copy()
    tolerance = 1e-5 if dtype == np.float32 else 1e-13
    add_product(a, b, c)
    np.testing.assert_allclose(c, before + a @ b, rtol=0, atol=tolerance)
    c[:] = np.nan
    add_product(a, b, c, overwrite=True)
    np.testing.assert_allclose(c, a @ b, rtol=0, atol=tolerance)
    c[:] = before
    np.testing.assert_array_equal(c.base, around)


def test_an_axis_added_to_a_vector_is_one_row() -> None:
    a, b, c = np.ones((1, 4)), np.ones((4, 3)), np.zeros(3)
    add_product(a, b, c[None])
    np.testing.assert_array_equal(c, 4)


def test_the_number_of_threads_of_blas_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = [4]
    monkeypatch.setattr(
        products, "_openblas_threads", lambda: (lambda: threads[-1], threads.append)
    )
    monkeypatch.setenv("NPUQ_THREADS", "2")
    both = threading.Barrier(2)

    def nested(job: int) -> list[int]:
        both.wait(10)
        return map_products(lambda _: threads[-1], [job])

    assert map_products(nested, [0, 1]) == [[1], [1]]
    assert threads == [4, 1, 4]
    with pytest.raises(ZeroDivisionError):
        map_products(lambda job: 1 // job, [0])
    assert threads[-1] == 4

"""GDN and its inverse, there and back: CUDA C in the emulator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import unequal
from gpu import yardstick
from gpu.conftest import device_only, on_device
from hypothesis import example, given, settings
from hypothesis import strategies as st

from npuq.kernels.cuda.precision import precision
from npuq.nn import gdn as nn

pytestmark = pytest.mark.usefixtures("device")

f = np.float32
PAIRS = [(nn.gdn, nn.gdn_backward), (nn.inverse_gdn, nn.inverse_gdn_backward)]


def arguments(P: int, C: int, seed: int) -> tuple[Any, ...]:
    """d_y, x, beta, gamma."""
    rng = np.random.default_rng(seed)
    d_y, x = rng.standard_normal((2, P, C)).astype(f)
    return d_y, x, *unequal.gdn(rng, C, f)


def on(function: Any) -> Any:
    """The function on the device, which nobody waits for."""

    def call(*args: Any) -> Any:
        args = tuple(on_device(*args))
        with device_only():
            result = function(*args)
        return [a.get() for a in (result if isinstance(result, tuple) else (result,))]

    return call


def in_list(function: Any) -> Any:
    return lambda *args: r if isinstance(r := function(*args), tuple) else (r,)


@given(
    P=st.integers(1, 150),
    C=st.sampled_from([1, 3, 16, 24, 63, 64, 70]),
    pair=st.sampled_from(PAIRS),
    seed=st.integers(0, 99),
)
@example(P=65, C=64, pair=PAIRS[0], seed=1)  # d_beta in a tile of its own
@example(P=300, C=5, pair=PAIRS[1], seed=2)  # several shares of pixels
@settings(max_examples=6)
def test_there_and_back(P: int, C: int, pair: Any, seed: int) -> None:
    args = arguments(P, C, seed)
    for function, used in zip(pair, (args[1:], args), strict=True):
        host = in_list(function)
        yardstick.check(on(function), host, host, used, move=(0, 1))


def test_any_shape_before_the_channels() -> None:
    d_y, x, beta, gamma = arguments(30, 4, 0)
    x, d_y = x.reshape(2, 3, 5, 4).swapaxes(1, 2), d_y.reshape(2, 3, 5, 4).swapaxes(1, 2)
    y = on(nn.gdn)(np.ascontiguousarray(x), beta, gamma)[0]
    np.testing.assert_allclose(y, nn.gdn(x, beta, gamma), rtol=1e-5)
    strided = [a.swapaxes(1, 2) for a in on_device(x.swapaxes(1, 2), d_y.swapaxes(1, 2))]
    d_x = nn.gdn_backward(strided[1], strided[0], *on_device(beta, gamma))[0]
    np.testing.assert_allclose(d_x.get(), nn.gdn_backward(d_y, x, beta, gamma)[0], atol=1e-5)


def test_no_pixels() -> None:
    x, (_, _, beta, gamma) = np.zeros((0, 4), f), arguments(1, 4, 0)
    assert on_device(x)[0].shape == nn.gdn(*on_device(x, beta, gamma)).shape == (0, 4)
    d_x, d_beta, d_gamma = nn.gdn_backward(*on_device(x, x, beta, gamma))
    assert d_x.shape == (0, 4) and not d_beta.get().any() and not d_gamma.get().any()


def test_tf32_is_rougher_and_no_rougher_than_its_bits() -> None:
    args = arguments(70, 24, 4)
    exact = nn.gdn_backward(*(a.astype(np.float64) for a in args))
    with precision("tf32"):
        rough = on(nn.gdn_backward)(*args)
    fine = on(nn.gdn_backward)(*args)
    for r, n, e in zip(rough, fine, exact, strict=True):
        size = np.abs(e).max()
        assert np.abs(n - e).max() < 3e-6 * size
        assert 1e-5 * size < np.abs(r - e).max() < 5e-3 * size
    with pytest.raises(ValueError, match="precision must be one of"), precision("half"):
        pass

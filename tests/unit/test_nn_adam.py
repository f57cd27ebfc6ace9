"""Adam against a step by hand, the paper's formulas in scalars, and torch.optim.Adam."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import pytest

from npuq.kernels.cpu.adam import SMALL
from npuq.nn.adam import AdamState, adam_init, adam_step, adam_update


def one(value: float, dtype: Any = np.float64) -> dict[str, Any]:
    return {"p": np.array([value], dtype)}


def test_first_step_by_hand() -> None:
    # m = 0.1 * 0.5, v = 0.001 * 0.25; corrected: 0.5 and 0.25; step 0.1 * 0.5 / (0.5 + 1e-8).
    params, state = adam_step(one(1.0), one(0.5), adam_init(one(1.0)), 0.1)
    assert state.step == 1
    np.testing.assert_allclose(state.m["p"], 0.05, rtol=1e-15)
    np.testing.assert_allclose(state.v["p"], 0.00025, rtol=1e-12)  # 1 - beta2 has rounded
    np.testing.assert_allclose(params["p"], 1 - 0.1 * 0.5 / (0.5 + 1e-8), rtol=1e-15)


def test_many_steps_follow_algorithm_1_in_scalars() -> None:
    rate, beta1, beta2, epsilon = 0.03, 0.8, 0.95, 1e-3
    theta, m, v = 2.0, 0.0, 0.0
    params, state = one(theta), adam_init(one(theta))
    for t in range(1, 30):
        g = math.sin(t) * theta
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        theta -= rate * (m / (1 - beta1**t)) / (math.sqrt(v / (1 - beta2**t)) + epsilon)
        grads = {"p": math.sin(t) * params["p"]}
        params, state = adam_step(
            params, grads, state, rate, beta1=beta1, beta2=beta2, epsilon=epsilon
        )
        assert params["p"][0] == pytest.approx(theta, rel=1e-12)
    assert state.step == 29


def test_agrees_with_torch() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    params = {"H.0": rng.standard_normal((3, 2)), "b": rng.standard_normal(4)}
    tensors = {name: torch.tensor(p, requires_grad=True) for name, p in params.items()}
    optimizer = torch.optim.Adam(
        [{"params": [tensors["H.0"]], "lr": 0.1}, {"params": [tensors["b"]], "lr": 0.01}]
    )
    state = adam_init(params)
    for _ in range(10):
        grads = {name: rng.standard_normal(p.shape) for name, p in params.items()}
        params, state = adam_step(params, grads, state, {"H.0": 0.1, "b": 0.01})
        for name, tensor in tensors.items():
            tensor.grad = torch.tensor(grads[name])
        optimizer.step()
    for name, tensor in tensors.items():
        # The same formulas in another order: ten steps of rounding.
        np.testing.assert_allclose(params[name], tensor.detach().numpy(), rtol=1e-12)


def test_a_rate_of_zero_keeps_the_parameter_and_moves_its_moments() -> None:
    params = {"still": np.array([1.0]), "moving": np.array([1.0])}
    grads = {"still": np.array([np.float64(2.0)]), "moving": np.array([2.0])}
    new, state = adam_step(params, grads, adam_init(params), {"still": 0.0, "moving": 0.1})
    assert new["still"][0] == 1.0
    assert new["moving"][0] < 1.0
    assert state.m["still"][0] == state.m["moving"][0] != 0
    assert state.v["still"][0] == state.v["moving"][0] != 0


@pytest.mark.parametrize("rate", [0.0, np.float64(0.1), {"p": np.float64(0.1)}])
def test_dtype_is_kept_and_arrays_are_fresh(rate: Any) -> None:
    params, grads = one(1.0, np.float32), one(0.5, np.float64)
    state = adam_init(params)
    new, next_state = adam_step(params, grads, state, rate)
    for array in (new["p"], next_state.m["p"], next_state.v["p"]):
        assert array.dtype == np.float32
    assert not np.shares_memory(new["p"], params["p"])
    assert not np.shares_memory(next_state.m["p"], state.m["p"])
    assert params["p"][0] == 1.0
    assert state == AdamState(0, one(0.0, np.float32), one(0.0, np.float32))


def test_the_step_does_not_depend_on_the_gradients_scale() -> None:
    """|step| = rate for a first gradient of any size far above epsilon (Sec. 2.1)."""
    for size in (1e-3, 1.0, 1e12):
        params, _ = adam_step(one(0.0), one(-size), adam_init(one(0.0)), 0.1)
        assert params["p"][0] == pytest.approx(0.1, rel=1e-4)  # epsilon / 1e-3 = 1e-5


@pytest.mark.parametrize("size", [1, 100, SMALL + 3])
def test_the_kernel_is_its_plain_twin(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    if numba.config.DISABLE_JIT:
        size = min(size, 100)
    params = {name: rng.standard_normal((1, size)).astype(np.float32) for name in ("p", "still")}
    rate = {"p": 0.1, "still": 0.0}
    found = []
    for kernels in ("fast", "reference"):
        monkeypatch.setenv("NPUQ_KERNELS", kernels)
        new, state = params, adam_init(params)
        for step in range(3):
            grads = {
                name: (p * 10.0 ** (step - 1)).astype(np.float32) for name, p in params.items()
            }
            new, state = adam_step(new, grads, state, rate)
        found.append((new, state))
        np.testing.assert_array_equal(new["still"], params["still"])
    (new, state), (new_twin, state_twin) = found
    for name in params:  # a few roundings apart, relative to the length of the steps
        np.testing.assert_allclose(new[name], new_twin[name], rtol=3e-7, atol=3e-7)
        np.testing.assert_allclose(state.m[name], state_twin.m[name], rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(state.v[name], state_twin.v[name], rtol=1e-6)


def test_threads_do_not_change_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    params = {"p": np.linspace(-1, 1, SMALL + 5, dtype=np.float32)}
    steps = []
    for threads in (1, 3):
        monkeypatch.setattr("npuq.runtime.threads.thread_count", lambda threads=threads: threads)
        steps.append(adam_step(params, params, adam_init(params), 0.1)[0]["p"])
    np.testing.assert_array_equal(*steps)


def test_names_and_shapes_must_agree() -> None:
    state = adam_init(one(1.0))
    with pytest.raises(ValueError, match="grads and params .* differ in p, q"):
        adam_step(one(1.0), {"q": np.ones(1)}, state, 0.1)
    with pytest.raises(ValueError, match="learning_rate and params"):
        adam_step(one(1.0), one(1.0), state, {})
    with pytest.raises(ValueError, match="state.m and params"):
        adam_step(one(1.0), one(1.0), adam_init({}), 0.1)
    with pytest.raises(ValueError, match=r"grads\['p'\] has shape \(2,\)"):
        adam_step(one(1.0), {"p": np.ones(2)}, state, 0.1)


def test_the_update_of_one_array_has_one_shape() -> None:
    numbers = dict.fromkeys(("beta1", "beta2", "rate", "correction1", "correction2"), 0.5)
    arrays = [np.ones(2), np.ones(2), np.ones(2), np.ones(2)]
    for i in range(4):
        with pytest.raises(ValueError, match="p, g, m and v must have one shape"):
            adam_update(*arrays[:i], np.ones(3), *arrays[i + 1 :], **numbers, epsilon=1e-8)

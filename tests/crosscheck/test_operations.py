"""Every operation of the table that PyTorch can express, against its autograd, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from operations import OPERATIONS, Operation, differentiable, gradients, make, upstream

from npuq.nn.parameters import named_arrays, with_arrays

torch = pytest.importorskip("torch")

WITH_TORCH = [operation for operation in OPERATIONS if operation.torch is not None]


def assert_close(actual: Any, desired: Any, what: str) -> None:
    # Both round in float64, in another order: far below 1e-8 but where large terms cancel, for
    # which the absolute part, relative to the largest entry, allows.
    atol = 1e-12 * np.max(np.abs(desired), initial=0.0)
    np.testing.assert_allclose(actual, desired, rtol=1e-8, atol=atol, err_msg=what)


@pytest.mark.parametrize("operation", WITH_TORCH, ids=lambda operation: operation.name)
def test_forward_and_backward_agree_with_autograd(operation: Operation) -> None:
    assert operation.torch is not None
    args, static = make(operation, np.float64)
    y = operation.forward(*args, **static)
    d_y = upstream(np.random.default_rng(3), y)
    grads = gradients(operation, d_y, args, static)

    tensors: dict[str, Any] = {
        name: torch.tensor(array) for name, array in named_arrays(args).items()
    }
    for name in differentiable(operation, args):
        tensors[name].requires_grad_()
    y_torch: dict[str, Any] = named_arrays(operation.torch(*with_arrays(args, tensors), **static))
    d_y_torch = {name: torch.tensor(array) for name, array in named_arrays(d_y).items()}
    total = sum((y_torch[name] * d_y_torch[name]).sum() for name in d_y_torch)
    total.backward()

    for name, expected in y_torch.items():
        assert_close(named_arrays(y)[name], expected.detach().numpy(), f"output {name}")
    for name, gradient in grads.items():
        expected = tensors[name].grad
        expected = torch.zeros_like(tensors[name]) if expected is None else expected
        assert_close(gradient, expected.numpy(), f"gradient {name}")

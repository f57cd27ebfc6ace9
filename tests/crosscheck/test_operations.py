"""Every operation of the table that PyTorch can express, against its autograd, in float64."""

from __future__ import annotations

from typing import Any

import in_torch
import numpy as np
import pytest
from operations import OPERATIONS, Operation, gradients, make, upstream

from npuq.nn.parameters import named_arrays

pytest.importorskip("torch")

WITH_TORCH = [operation for operation in OPERATIONS if operation.torch is not None]


def assert_close(actual: Any, desired: Any, what: str) -> None:
    # Both round in float64, in another order: far below 1e-8 but where large terms cancel, for
    # which the absolute part, relative to the largest entry, allows.
    atol = 1e-12 * np.max(np.abs(desired), initial=0.0)
    np.testing.assert_allclose(actual, desired, rtol=1e-8, atol=atol, err_msg=what)


@pytest.mark.parametrize("operation", WITH_TORCH, ids=lambda operation: operation.name)
def test_forward_and_backward_agree_with_autograd(operation: Operation) -> None:
    args, static = make(operation, np.float64)
    y = operation.forward(*args, **static)
    d_y = upstream(np.random.default_rng(3), y)
    grads = gradients(operation, d_y, args, static)

    y_torch, grads_torch = in_torch.autograd(operation, d_y, args, static)
    for name, expected in y_torch.items():
        assert_close(named_arrays(y)[name], expected, f"output {name}")
    for name, gradient in grads.items():
        assert_close(gradient, grads_torch[name], f"gradient {name}")

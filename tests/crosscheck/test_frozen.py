"""Operations and models against numbers that PyTorch and CompressAI computed (`frozen/`).

These run where neither is installed. That the numbers are theirs, `make_frozen.py` shows.
"""

from __future__ import annotations

from typing import Any

import frozen
import in_compressai
import numpy as np
import pytest
from operations import OPERATIONS, Operation, gradients, make
from rates import conditional_rate, conditional_rate_plain, noisy_rate, noisy_rate_plain

from npuq.exchange.compressai import import_state
from npuq.exchange.compressai_names import architecture
from npuq.models import hyperprior
from npuq.nn import nonparametric
from npuq.nn.parameters import cast, named_arrays, with_arrays
from npuq.runtime.compile import use_reference

SOFTNESS = pytest.mark.parametrize("softness", frozen.SOFTNESS)
# Rows that have compiled twins in single precision
KERNELS = ("nn.gdn", "nn.inverse_gdn", "nn.conv2d", "nn.conv_transpose2d")


def with_twin(operation: Operation) -> bool:
    sizes = [a.size for a in named_arrays(make(operation, np.float64)[0]).values()]
    return operation.torch is not None and max(sizes) <= frozen.LARGEST


FROZEN = [operation for operation in OPERATIONS if with_twin(operation)]


def check_row(operation: Operation, dtype: Any, rtol: float, atol: float) -> None:
    """Against the numbers; `atol` is relative to the largest entry of each array."""
    group = frozen.load("operations")[operation.name]
    like, static = make(operation, np.float64)
    args = cast(with_arrays(like, frozen.part(group, "argument ")), dtype)
    y = operation.forward(*args, **static)
    d_y = cast(with_arrays(y, frozen.part(group, "d_y ")), dtype)
    grads = gradients(operation, d_y, args, static)
    for found, prefix in ((named_arrays(y), "output "), (grads, "gradient ")):
        expected = frozen.part(group, prefix)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert found[name].dtype == dtype
            bound = atol * np.max(np.abs(value))
            np.testing.assert_allclose(found[name], value, rtol, bound, err_msg=prefix + name)


def test_every_row_with_a_twin_in_pytorch_is_frozen() -> None:
    """Else run make_frozen.py."""
    assert [operation.name for operation in FROZEN] == list(frozen.load("operations"))


@pytest.mark.parametrize("operation", FROZEN, ids=lambda operation: operation.name)
def test_rows_are_what_pytorch_computed(operation: Operation) -> None:
    """As `test_operations.py` compares them."""
    check_row(operation, np.float64, 1e-8, 1e-12)


@pytest.mark.parametrize(
    "operation", [row for row in FROZEN if row.name.startswith(KERNELS)], ids=lambda row: row.name
)
def test_compiled_rows_are_what_pytorch_computed(operation: Operation) -> None:
    """In single precision; sums of a hundred terms, so 1e-7 by 1e2 of the largest."""
    check_row(operation, np.float32, 1e-5, 1e-5)


@SOFTNESS
@pytest.mark.parametrize("function", [conditional_rate, conditional_rate_plain])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equation_23_is_what_compressai_computed(function: Any, dtype: Any, softness: str) -> None:
    """Bits, reconstructions and gradients, at scales below their bound too.

    The kernel takes float32 and computes in float64; in float32 the twin's logits keep 1e-7 of
    some tens and slopes are up to sinh(5)/5 = 15.
    """
    groups = frozen.load("conditional_rates")
    args = [groups["arguments"][name].astype(dtype) for name in ("t", "u", "sigma")]
    found = function(*args, frozen.SOFTNESS[softness])._asdict()
    compiled = function is conditional_rate and not use_reference()
    tolerance = 1e-8 if dtype == np.float64 else 1e-6 if compiled else 1e-4
    assert found.keys() == groups[softness].keys()
    for name, value in groups[softness].items():
        np.testing.assert_allclose(
            found[name], value, tolerance, tolerance * np.max(np.abs(value)), err_msg=name
        )


@SOFTNESS
@pytest.mark.parametrize("function", [noisy_rate, noisy_rate_plain])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-4), (np.float64, 1e-8)])
def test_the_density_with_unequal_weights_is_what_pytorch_computed(
    function: Any, dtype: Any, tolerance: float, softness: str
) -> None:
    """Bits and all gradients; in single precision 1e-7 by slopes of some tens, by sums."""
    groups = frozen.load("noisy_rates")
    arguments = {name: a.astype(dtype) for name, a in groups["arguments"].items()}
    y, u = arguments.pop("y"), arguments.pop("u")
    like = nonparametric.init(np.random.default_rng(0), len(y))
    found = function(y, u, with_arrays(like, arguments), frozen.SOFTNESS[softness])
    arrays = named_arrays(found)
    assert arrays.keys() == groups[softness].keys()
    for name, value in groups[softness].items():
        error = np.max(np.abs(arrays[name] - value))
        assert error <= tolerance * np.max(np.abs(value)), (name, error)


@SOFTNESS
def test_the_hyperprior_loss_is_what_compressai_computed(softness: str) -> None:
    """Eqs. 21, 23 and 24: every stage, the gradients of the rate and of the whole loss."""
    groups = frozen.load("hyperprior")
    arguments = dict(groups["arguments"])
    x, u_1, u_2 = (arguments.pop(name) for name in ("x", "u_1", "u_2"))
    like = hyperprior.init(np.random.default_rng(0), channels=3, latents=4)
    given = in_compressai.widened(with_arrays(like, arguments), x, u_1, u_2)
    chosen = frozen.SOFTNESS[softness]
    values, both = in_compressai.our_hyperprior_loss(*given, lmbda=frozen.LMBDA, softness=chosen)
    _, rate = in_compressai.our_hyperprior_loss(*given, lmbda=0.0, softness=chosen)
    values["x_hat"] = frozen.some_pixels(values["x_hat"])
    expected = frozen.part(groups[softness], "value ")
    assert values.keys() == expected.keys()
    for name, value in expected.items():  # which are rounded to 6e-8
        error = np.max(np.abs(values[name] - value))
        assert error <= 1e-7 * np.max(np.abs(value)), (name, error)
    for grads, name in ((rate, "rate"), (both, "both")):
        pieces = np.split(groups[softness][name], np.cumsum([g.size for g in grads.values()]))
        for (parameter, found), value in zip(grads.items(), pieces, strict=False):
            error = np.max(np.abs(found.ravel() - value))
            assert error <= 1e-7 * np.max(np.abs(value)), (name, parameter, error)
        assert pieces[-1].size == 0


@pytest.mark.parametrize("arch", frozen.ARCHITECTURES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 3e-6)])
def test_imported_models_compute_what_compressai_computed(
    arch: str, dtype: Any, tolerance: float
) -> None:
    """To 1e-5 of the largest value. Their GDN's pedestal and their likelihoods' bounds are numbers
    of float32, so float64 is not much better."""
    groups = frozen.load("imported")
    model = import_state(frozen.part(groups[arch], "state "), name="theirs")
    assert architecture(model.params) == arch
    x = groups["arguments"]["x"].astype(dtype) / dtype(255)
    found = in_compressai.our_values(model, x)
    found["x_hat"] = frozen.some_pixels(found["x_hat"])
    expected = frozen.part(groups[arch], "value ")
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        error = np.max(np.abs(found[name] - value))
        assert error <= tolerance * np.max(np.abs(value)), (name, error)

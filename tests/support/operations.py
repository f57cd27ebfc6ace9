"""The one table of all operations: a row makes an operation checked everywhere.

`OPERATIONS` drives the gradient check (tests/gradcheck), the comparison with PyTorch's autograd
(tests/crosscheck), the CuPy parity test and the dtype test (tests/unit). Rows of
`npuq.paper` and of the models are in operations_paper.py; operation.py says how to write one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import in_torch
import numpy as np
import scipy.stats
import unequal
from operation import (
    Operation,
    differentiable,
    gradients,
    make,
    normal_array,
    upstream,
    values,
)
from operations_paper import PAPER_OPERATIONS

from npuq.nn import logistic, nonparametric, normal
from npuq.nn.activations import (
    leaky_relu,
    leaky_relu_backward,
    sigmoid,
    sigmoid_backward,
    softplus,
    softplus_backward,
)
from npuq.nn.conv import (
    conv2d,
    conv2d_backward,
    conv_transpose2d,
    conv_transpose2d_backward,
)
from npuq.nn.gdn import gdn, gdn_backward, inverse_gdn, inverse_gdn_backward
from npuq.nn.location_scale import standardize, standardize_backward
from npuq.nn.log_mass import (
    log_cdf,
    log_cdf_backward,
    log_interval,
    log_interval_backward,
)
from npuq.nn.non_negative import (
    lower_bound,
    lower_bound_backward,
    non_negative,
    non_negative_backward,
)
from npuq.nn.scipy_cdf import from_scipy
from npuq.nn.standard_laws import STANDARDS

__all__ = ["OPERATIONS", "Operation", "differentiable", "gradients", "make", "upstream"]

# --- arguments ----------------------------------------------------------------------------------


def _nonparametric_args(
    rng: np.random.Generator, dtype: Any, *, widths: tuple[int, ...] = (3, 3, 3), scale: float = 4.0
) -> Any:
    params = unequal.density(rng, 3, widths=widths, dtype=dtype)
    return (normal_array(rng, dtype, 3, 2, 5, scale=scale), params), {}


def _location_scale_args(rng: np.random.Generator, dtype: Any) -> Any:
    """Parameters that broadcast: one location per channel, one scale per row."""
    scale = (0.5 + rng.random((4, 1))).astype(dtype)
    params = logistic.Params(normal_array(rng, dtype, 3, 1, 1), scale)
    return (normal_array(rng, dtype, 2, 3, 4, 5, scale=3.0), params), {}


def _tail_args(dtype: Any, *x: float) -> Any:
    """Numbers of a normal law of scale 2, one location each: y = 2 x + loc."""
    loc = np.arange(len(x), dtype=dtype) / 4
    return (2 * values(dtype, *x) + loc, logistic.Params(loc, np.full((), 2, dtype))), {}


def _log_mass_args(
    rng: np.random.Generator, dtype: Any, *, density: str, far: float = 0.0, gaps: bool = False
) -> Any:
    """On both sides of the location; away from the kink of Laplace's, short and long gaps."""
    scale = (0.5 + rng.random((4, 1))).astype(dtype)
    params = logistic.Params(normal_array(rng, dtype, 3, 1, 1, scale=0.1), scale)
    y = rng.choice([-1, 1], (2, 3, 4, 5)) * (far + 0.6 + 3 * rng.random((2, 3, 4, 5)))
    if not gaps:
        return (y.astype(dtype), params), {"density": density}
    ends = y, y + np.where(rng.random(y.shape) < 0.5, 0.2, 8.0) * (0.5 + rng.random(y.shape))
    ends = ends[0], np.where(abs(ends[1]) < 0.5, ends[1] + 1, ends[1])
    return (*(end.astype(dtype) for end in ends), params), {"density": density}


def _conv_args(
    x: tuple[int, ...], w: tuple[int, ...], b: int | None, **static: Any
) -> Callable[[np.random.Generator, Any], Any]:
    def make_args(rng: np.random.Generator, dtype: Any) -> Any:
        bias = None if b is None else normal_array(rng, dtype, b)
        return (normal_array(rng, dtype, *x), normal_array(rng, dtype, *w), bias), static

    return make_args


def _gdn_args(rng: np.random.Generator, dtype: Any) -> Any:
    return (normal_array(rng, dtype, 2, 3, 2, 4), *unequal.gdn(rng, 4, dtype)), {}


_LAPLACE = from_scipy(scipy.stats.laplace(scale=2.0))

_CONV2D_CASES = {
    "stride 2, padding 2": _conv_args((2, 8, 7, 3), (4, 3, 5, 5), 4, stride=2, padding=2),
    "stride 1, padding 1": _conv_args((1, 4, 5, 3), (2, 3, 3, 3), 2, stride=1, padding=1),
    "blocks, no bias": _conv_args((2, 8, 4, 3), (5, 3, 4, 4), None, stride=4, padding=0),
    "unequal axes": _conv_args((1, 7, 6, 2), (3, 2, 3, 2), 3, stride=2, padding=1),
    "1x1": _conv_args((2, 2, 3, 3), (2, 3, 1, 1), 2, stride=1, padding=0),
    "unread border": _conv_args((1, 6, 6, 2), (2, 2, 1, 1), 2, stride=4, padding=0),
    "many channels": _conv_args((1, 5, 4, 17), (16, 17, 3, 3), 16, stride=1, padding=1),
}
_CONV_TRANSPOSE2D_CASES = {
    "stride 2, padding 2": _conv_args(
        (2, 4, 3, 3), (3, 4, 5, 5), 4, stride=2, padding=2, output_padding=1
    ),
    "blocks, no bias": _conv_args(
        (2, 2, 1, 5), (5, 3, 4, 4), None, stride=4, padding=0, output_padding=0
    ),
    "unequal axes": _conv_args(
        (1, 3, 4, 2), (2, 3, 3, 2), 3, stride=3, padding=1, output_padding=2
    ),
    "many channels": _conv_args(
        (1, 3, 2, 16), (16, 17, 5, 5), 17, stride=2, padding=2, output_padding=1
    ),
}

# --- the table ----------------------------------------------------------------------------------

OPERATIONS: list[Operation] = [
    Operation(
        "nn.softplus",
        softplus,
        softplus_backward,
        lambda rng, dtype: ((values(dtype, -30, -1.5, -0.0, 0.3, 2, 30),), {}),
        in_torch.softplus,
    ),
    Operation(
        "nn.sigmoid",
        sigmoid,
        sigmoid_backward,
        lambda rng, dtype: ((values(dtype, -30, -1.5, -0.0, 0.3, 2, 30),), {}),
        in_torch.sigmoid,
    ),
    Operation(
        "nn.leaky_relu",
        leaky_relu,
        leaky_relu_backward,
        lambda rng, dtype: ((values(dtype, -30, -1.5, -0.1, 0.3, 2, 30),), {"slope": 0.2}),
        in_torch.leaky_relu,
    ),
    Operation(
        "nn.lower_bound",
        lower_bound,
        lower_bound_backward,
        lambda rng, dtype: ((values(dtype, -3, 0.4, 0.6, 2),), {"bound": 0.5}),
        in_torch.lower_bound,
    ),
    *(
        Operation(
            f"nn.non_negative/minimum {minimum}",
            non_negative,
            non_negative_backward,
            lambda rng, dtype, minimum=minimum: (
                (values(dtype, -3, -0.1, 0.01, 0.5, 2),),
                {"minimum": minimum},
            ),
            in_torch.non_negative,
        )
        for minimum in (0.0, 1e-6, 0.11)
    ),
    Operation("nn.gdn", gdn, gdn_backward, _gdn_args, in_torch.gdn),
    Operation("nn.inverse_gdn", inverse_gdn, inverse_gdn_backward, _gdn_args, in_torch.inverse_gdn),
    Operation(
        "nn.nonparametric.logits",
        nonparametric.logits,
        nonparametric.logits_backward,
        _nonparametric_args,
        in_torch.nonparametric,
    ),
    Operation(
        "nn.nonparametric.logits/one layer",
        nonparametric.logits,
        nonparametric.logits_backward,
        lambda rng, dtype: _nonparametric_args(rng, dtype, widths=()),
        in_torch.nonparametric,
    ),
    Operation(
        "nn.nonparametric.logits/tails",
        nonparametric.logits,
        nonparametric.logits_backward,
        lambda rng, dtype: _nonparametric_args(rng, dtype, widths=(2, 4), scale=1e6),
        in_torch.nonparametric,
        step=1e-2,  # logits of 1e5, of which gradients of a and b are the last digits; no curvature
    ),
    Operation("nn.standardize", standardize, standardize_backward, _location_scale_args),
    Operation(
        "nn.logistic.logits",
        logistic.logits,
        logistic.logits_backward,
        _location_scale_args,
        in_torch.logistic,
    ),
    Operation(
        "nn.normal.logits",
        normal.logits,
        normal.logits_backward,
        _location_scale_args,
        in_torch.normal,
    ),
    Operation(
        "nn.normal.logits/near 0",
        normal.logits,
        normal.logits_backward,
        lambda rng, dtype: _tail_args(dtype, 0.0, -1e-7, 1e-3),
        in_torch.normal,
    ),
    Operation(
        "nn.normal.logits/where erfc underflows",
        normal.logits,
        normal.logits_backward,
        lambda rng, dtype: _tail_args(dtype, -39.0, -38.0, 38.0, 39.0),
        in_torch.normal,
    ),
    Operation(
        "nn.normal.logits/tails",  # without PyTorch, whose gradient of log_ndtr is off by 1e-4 here
        normal.logits,
        normal.logits_backward,
        lambda rng, dtype: _tail_args(dtype, -1e6, 1e6, 3e5),
        step=3e-3,  # logits of 5e11, of second degree
    ),
    *(
        Operation(
            f"nn.log_cdf/{density}",
            log_cdf,
            log_cdf_backward,
            functools.partial(_log_mass_args, density=density),
        )
        for density in STANDARDS
    ),
    *(
        Operation(
            f"nn.log_interval/{density}{' in tails' if far else ''}",
            log_interval,
            log_interval_backward,
            functools.partial(_log_mass_args, density=density, far=far, gaps=True),
            step=1e-5 if far else 1e-3,  # relative to an end, where the gap is what matters
        )
        for density in STANDARDS
        for far in (0.0, 60.0)
    ),
    Operation(
        "nn.scipy_cdf.logits",
        _LAPLACE.logits,
        _LAPLACE.logits_backward,
        lambda rng, dtype: ((values(dtype, -50, -3, -0.2, 0.1, 4, 50), None), {}),
        host_only=True,
    ),
    *(
        Operation(f"nn.conv2d/{label}", conv2d, conv2d_backward, args, in_torch.conv2d)
        for label, args in _CONV2D_CASES.items()
    ),
    *(
        Operation(
            f"nn.conv_transpose2d/{label}",
            conv_transpose2d,
            conv_transpose2d_backward,
            args,
            in_torch.conv_transpose2d,
        )
        for label, args in _CONV_TRANSPOSE2D_CASES.items()
    ),
    *PAPER_OPERATIONS,
]

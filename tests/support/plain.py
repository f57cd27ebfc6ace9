"""Layers written out a second time, with nothing of npuq: what its own are compared with.

Shapes, channels last, as in `npuq.models.hyperprior`; kernels of odd size k, padding (k - 1) / 2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.signal import correlate2d


def conv(x: Any, w: Any, b: Any, *, stride: int = 1) -> Any:
    """Every `stride`-th pixel of the correlation with w (C_out, C_in, k, k)."""
    planes = [
        [sum(correlate2d(image[..., i], w[o, i], "same") for i in range(w.shape[1])) for image in x]
        for o in range(w.shape[0])
    ]
    return np.moveaxis(np.array(planes), 0, -1)[:, ::stride, ::stride] + b


def conv_transpose(x: Any, w: Any, b: Any) -> Any:
    """Zeros between the pixels (stride 2), then each paints w (C_in, C_out, k, k) around it."""
    B, H, W, C = x.shape
    spread = np.zeros((B, 2 * H, 2 * W, C), x.dtype)
    spread[:, ::2, ::2] = x
    return conv(spread, w.swapaxes(0, 1)[..., ::-1, ::-1], b)


def bounded(theta: Any, minimum: float) -> Any:
    """The value of a free parameter of GDN, as CompressAI has it."""
    return np.maximum(theta, np.sqrt(minimum + 2.0**-36)) ** 2 - 2.0**-36


def pool(x: Any, beta: Any, gamma: Any) -> Any:
    """n_i = beta_i + sum over j of gamma_ij x_j^2, of free parameters."""
    return bounded(beta, 1e-6) + np.einsum("ij,...j->...i", bounded(gamma, 0.0), x**2)


def gdn(x: Any, beta: Any, gamma: Any) -> Any:
    return x / np.sqrt(pool(x, beta, gamma))


def inverse_gdn(x: Any, beta: Any, gamma: Any) -> Any:
    return x * np.sqrt(pool(x, beta, gamma))


def leaky(x: Any) -> Any:
    """A hundredth of what is negative, the usual slope."""
    return np.where(x > 0, x, 0.01 * x)


def nonparametric_logits(y: Any, params: Any) -> Any:
    """Ballé et al. 2018, Appendix 6.1, weight by weight: f_K o ... o f_1 without the sigmoid."""
    H, a, b = params
    logits = np.empty_like(y)
    for c in range(len(y)):
        x = [y[c]]
        for k in range(len(H)):
            x = [
                b[k][c, i, 0] + sum(np.log1p(np.exp(H[k][c, i, j])) * x[j] for j in range(len(x)))
                for i in range(H[k].shape[1])
            ]
            if k < len(a):
                x = [h + np.tanh(a[k][c, i, 0]) * np.tanh(h) for i, h in enumerate(x)]
        (logits[c],) = x
    return logits

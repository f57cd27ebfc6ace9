"""Where quick trainings of the hyperprior model start: near a linear transform coder.

Random kernels take thousands of steps to become a transform. So each of the four stages of the
analysis begins as the Karhunen-Loève transform (Jain 1989, ch. 5) of 2x2 neighbours, for pictures
with the textbook's statistics: correlation RHO to the power of the distance along rows and along
columns. Four stages take 16x16 pixels to those M combinations that carry most of the variance. The
synthesis begins as the transpose, GDN near the identity, and each scale as the standard deviation
of its latent. What is left of the kernels begins small and random, so that it can be trained.

Shapes: kernels as in `npuq.models.hyperprior`; taps 2 and 3 of a kernel of 5 meet the 2x2 pixels
that an output stands for.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npuq.backend import Array
from npuq.models.hyperprior import PEAK, HyperpriorParams
from npuq.models.layers import Conv, Gdn
from npuq.nn.non_negative import non_negative_inverse
from npuq.nn.parameters import cast

RHO = 0.95
DEVIATION = 0.22  # of pixels of 0..1
COLOUR = 0.9  # correlation between red, green and blue
REST = 0.02  # of the random kernels
GAMMA = 0.01
_STAGES = 4


def start_at_klt(params: HyperpriorParams, step: float) -> HyperpriorParams:
    """Random parameters made into those of a linear transform coder (Jain 1989, ch. 5).

    Args:
        params: of the mean & scale hyperprior, as `hyperprior.init` makes them.
        step: initial quantization step, grey levels.
    """
    channels, latents = (params.analysis[i].w.shape[0] for i in (0, _STAGES - 1))
    stages, variances = klt_stages((*[channels] * (_STAGES - 1), latents))
    gain = PEAK / step
    analysis, synthesis = [], []
    for i, stage in enumerate(stages):
        last = i == _STAGES - 1
        w, b = params.analysis[i].w * REST, np.zeros(len(params.analysis[i].b))
        w[: len(stage), : stage.shape[1], 2:4, 2:4] += stage * (gain if last else 1)
        if i == 0:
            b[: len(stage)] = -stage.sum(axis=(1, 2, 3)) / 2  # grey is 0
        analysis.append(Conv(w, b))
        opposite = params.synthesis[_STAGES - 1 - i]
        w, b = opposite.w * REST, np.full(len(opposite.b), 0.5 if i == 0 else 0.0)
        w[: len(stage), : stage.shape[1], 2:4, 2:4] += stage / (gain if last else 1)
        synthesis.append(Conv(w, b))
    *hyper_synthesis, both = params.hyper_synthesis
    b = np.zeros(len(both.b))
    b[: len(variances)] = gain * np.sqrt(variances)
    gamma = non_negative_inverse(GAMMA * np.eye(channels))
    gdn = tuple(Gdn(g.beta, gamma) for g in params.analysis_gdn)
    start = params._replace(
        analysis=tuple(analysis),
        analysis_gdn=gdn,
        synthesis=tuple(synthesis[::-1]),
        synthesis_gdn=gdn,
        hyper_synthesis=(*hyper_synthesis, Conv(both.w * REST, b)),
    )
    return cast(start, params.analysis[0].w.dtype)


def klt_stages(widths: tuple[int, ...]) -> tuple[list[Array], Array]:
    """The transform of each stage, and the variances of what comes out of the last one.

    Args:
        widths: channels after each stage; of these a stage uses 4 times what the one before it
            did, at most.

    Returns:
        For each stage (outputs, inputs, 2, 2), rows orthonormal, by falling variance; and
        (outputs,), for pixels of 0..1.
    """
    along = RHO ** np.abs(np.subtract.outer(*[np.arange(1 << len(widths))] * 2))
    colours = DEVIATION**2 * (COLOUR + (1 - COLOUR) * np.eye(3))
    maps: Any = np.eye(3)[:, :, None, None]  # from the (3, size, size) pixels of a block
    stages, values = [], np.zeros(0)
    for width in widths:
        count, size = len(maps), maps.shape[2]
        four = np.zeros((count, 2, 2, 3, 2 * size, 2 * size))
        for i in range(2):
            for j in range(2):
                rows, columns = (slice(k * size, (k + 1) * size) for k in (i, j))
                four[:, i, j, :, rows, columns] = maps
        pixels = four.reshape(4 * count, -1)
        covariance = np.kron(colours, np.kron(*[along[: 2 * size, : 2 * size]] * 2))
        values, vectors = np.linalg.eigh(pixels @ covariance @ pixels.T)
        values, basis = values[::-1][:width], vectors[:, ::-1].T[:width]
        stages.append(basis.reshape(-1, count, 2, 2))
        maps = (basis @ pixels).reshape(-1, 3, 2 * size, 2 * size)
    return stages, values

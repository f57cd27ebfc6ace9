"""The paper's linear model from nothing: the first file to read, from top to bottom.

    python examples/linear_model_by_hand.py

Blocks of 8x8 pixels, x (192, n), become coefficients y = W x, are soft-rounded, meet uniform noise
and come back (Eqs. 10, 14, 21); a logistic density codes them (Eq. 22). The backward pass is the
forward pass read upwards, with the expected gradients of Eqs. 17 and 20. It trains for half a
minute while alpha runs from 1 to 16, then codes a picture into real bytes and back (Sec. 3.2).
"""

from collections import namedtuple

import numpy as np

from npuq.coding.arithmetic import decode_band, encode_band
from npuq.coding.dither import dither_integers, dither_values
from npuq.coding.tables import phase_table
from npuq.coding.tabulate import build_tables
from npuq.nn.initialize import block_dct
from npuq.training.dead_leaves import dead_leaves_batch

LMBDA, STEPS, LN2 = 0.0125, 500, np.log(2)
# analysis, synthesis (192, 192); of the logistic density of each coefficient (192, 1)
Params = namedtuple("Params", "W V loc log_scale")


def blocks_of(images):  # (N, H, W, 3) uint8 -> (192, N H/8 W/8)
    N, H, W, _ = images.shape
    x = images.reshape(N, H // 8, 8, W // 8, 8, 3) - 127.5
    return x.transpose(5, 2, 4, 0, 1, 3).reshape(192, -1)


def s(y, alpha):  # soft rounding, Eq. 10
    m = np.floor(y) + 0.5
    return m + np.tanh(alpha * (y - m)) / (2 * np.tanh(alpha / 2))


def s_inverse(z, alpha):
    m = np.floor(z) + 0.5
    return m + np.arctanh(2 * np.tanh(alpha / 2) * (z - m)) / alpha


def r(z, alpha):  # the mean of y given z = s(y) + u, Eq. 14
    return s_inverse(z - 0.5, alpha) + 0.5


def logits(z, params, alpha):  # of the CDF c at both ends of the interval that becomes z, Eq. 22
    ends = s_inverse(z - 0.5, alpha), s_inverse(z + 0.5, alpha)
    return [(end - params.loc) * np.exp(-params.log_scale) for end in ends]


def bits(z, params, alpha):  # -log2(c(upper) - c(lower)), where c is the sigmoid of a logit
    a, b = logits(z, params, alpha)
    return (np.logaddexp(0, a) + np.logaddexp(0, -b) - np.log1p(-np.exp(a - b))) / LN2


def loss_and_gradients(params, x, u, alpha):  # Eq. 21 for noise u, uniform in [-1/2, 1/2)
    pixels = x.size / 3
    y = params.W @ x
    z = s(y, alpha) + u
    error = params.V @ r(z, alpha) - x
    bpp, mse = bits(z, params, alpha).sum() / pixels, (error**2).mean()

    d_x_hat = 2 * LMBDA * error / x.size
    d_V = d_x_hat @ r(z, alpha).T
    d_s = params.V.T @ d_x_hat  # Eq. 20: the expected derivative of r is 1
    d_s += (bits(z - u + 0.5, params, alpha) - bits(z - u - 0.5, params, alpha)) / pixels  # Eq. 17
    t = 2 * np.tanh(alpha / 2) * (s(y, alpha) - np.floor(y) - 0.5)
    slope = alpha * (1 - t * t) / (2 * np.tanh(alpha / 2))  # no noise enters s: the true one
    d_W = (d_s * slope) @ x.T
    a, b = logits(z, params, alpha)
    d_a = (1 / (1 + np.exp(-a)) + 1 / np.expm1(b - a)) / (LN2 * pixels)
    d_b = (-1 / (1 + np.exp(b)) - 1 / np.expm1(b - a)) / (LN2 * pixels)
    d_loc = -((d_a + d_b) * np.exp(-params.log_scale)).sum(axis=1, keepdims=True)
    d_log_scale = -(d_a * a + d_b * b).sum(axis=1, keepdims=True)
    return (bpp + LMBDA * mse, bpp, mse), Params(d_W, d_V, d_loc, d_log_scale)


def train(steps=STEPS):
    rng = np.random.default_rng(0)
    held_out = blocks_of(dead_leaves_batch(seed=1, step=0, batch_size=8, crop=64))
    # the DCT, by the step for which 3 log2(1/step) + LMBDA step^2 / 12 is least: 45 grey levels
    dct, step = block_dct(), np.sqrt(18 / (LMBDA * LN2))
    spread = (dct @ held_out / step).std(axis=1, keepdims=True)
    params = Params(dct / step, dct.T * step, 0 * spread, np.log(0.55 * spread + 0.01))
    moments = [(0 * p, 0 * p) for p in params]
    for t in range(1, steps + 1):
        alpha, falling = 1 + 15 * t / steps, 0.5 + 0.5 * np.cos(np.pi * t / steps)
        x = blocks_of(dead_leaves_batch(seed=0, step=t, batch_size=2, crop=64))
        _, gradients = loss_and_gradients(params, x, rng.random(x.shape) - 0.5, alpha)
        sizes = (1e-4, 0.2, 0.02, 0.02)  # of the first moves
        for p, d, (m, v), size in zip(params, gradients, moments, sizes, strict=True):  # Adam
            m += 0.1 * (d - m)
            v += 0.001 * (d * d - v)
            p -= falling * size * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-12)
        if t % 50 == 0:
            u = rng.random(held_out.shape) - 0.5
            (loss, bpp, mse), _ = loss_and_gradients(params, held_out, u, alpha)
            print(f"step {t}, alpha {alpha:4.1f}: loss {loss:.3f}, {bpp:.3f} bpp, MSE {mse:.1f}")
    return params


def code(x, params, alpha=16.0):  # universal quantization into bytes and back, Sec. 3.2
    n = dither_integers((192, 1, x.shape[1]), seed=1)
    u = dither_values(n, np.float64)[:, 0]  # (n + 1/2)/256 - 1/2, the same on both sides
    k = np.floor(s(params.W @ x, alpha) - u + 0.5).astype(np.int32)
    phases = phase_table(s_inverse(dither_values(np.arange(256), np.float64) + 0.5, alpha))
    slope = np.exp(-params.log_scale)
    cdf = lambda y: 0.5 + 0.5 * np.tanh(0.5 * (y - params.loc) * slope)  # noqa: E731
    tables = build_tables(cdf, [phases], channels=192)
    data = encode_band(k[:, None], n, phases, tables)
    z = decode_band(data, n, phases, tables)[:, 0] + u
    return data, params.V @ r(z, alpha), bits(z, params, alpha).sum()


if __name__ == "__main__":
    x = blocks_of(dead_leaves_batch(seed=2, step=0, batch_size=1, crop=256))
    data, x_hat, estimate = code(x, train())
    psnr = 10 * np.log10(255**2 / ((x_hat - x) ** 2).mean())
    print(f"{len(data)} bytes, by the model {estimate / 8:.0f}: {psnr:.2f} dB")

"""Starting points for linear block transforms: orthogonal matrices, the DCT, JPEG's transform.

A transform of 8x8 RGB blocks is a matrix M of shape (192, 192). A block (3, 8, 8) flattened as
(channel, row, column) is a column vector x, and its coefficients are M x. `M.reshape(192, 3, 8, 8)`
is therefore the weight of the convolution of stride 8 that does the same to a whole image.
Coefficients are ordered component-major: 64 row-major frequencies of the first colour component
(index 8 * vertical + horizontal), then of the second and of the third.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from npuq.backend import Array

# Luma weights of ITU-R BT.601, which JFIF uses at full range.
_K_R, _K_G, _K_B = 0.299, 0.587, 0.114

_RGB_TO_YCBCR = np.array(
    [
        [_K_R, _K_G, _K_B],
        [-0.5 * _K_R / (1 - _K_B), -0.5 * _K_G / (1 - _K_B), 0.5],
        [0.5, -0.5 * _K_G / (1 - _K_R), -0.5 * _K_B / (1 - _K_R)],
    ]
)
_YCBCR_TO_RGB = np.array(
    [
        [1, 0, 2 * (1 - _K_R)],
        [1, -2 * (1 - _K_B) * _K_B / _K_G, -2 * (1 - _K_R) * _K_R / _K_G],
        [1, 2 * (1 - _K_B), 0],
    ]
)


def random_orthogonal(rng: np.random.Generator, n: int, dtype: npt.DTypeLike = np.float32) -> Array:
    """A random orthogonal matrix (n, n), the start of Saxe, McClelland & Ganguli 2014.

    Numerics: QR alone is not uniform, since libraries choose the signs of R's diagonal; moving
    them into Q makes it Haar-distributed (Mezzadri 2007). Computed in float64, then cast.
    """
    Q, R = np.linalg.qr(rng.standard_normal((n, n)))
    return (Q * np.copysign(1.0, np.diagonal(R))).astype(dtype)


def dct_basis(n: int) -> Array:
    """The orthonormal DCT-II matrix (n, n), rows from low to high frequency (Ahmed et al. 1974)."""
    frequency, position = np.arange(n)[:, None], np.arange(n)[None, :]
    basis = np.sqrt(2 / n) * np.cos(np.pi / (2 * n) * frequency * (2 * position + 1))
    basis[0] /= np.sqrt(2)
    return basis


def jpeg_analysis() -> Array:
    """JPEG's transform (192, 192): JFIF's YCbCr, then the 8x8 DCT of each plane (ITU-T T.81).

    The components are Y, Cb, Cr. JFIF's level shift of 128 is left out: it only moves the DC
    coefficients. Not orthogonal, as YCbCr is not; `jpeg_synthesis` is its inverse.
    """
    return np.kron(_RGB_TO_YCBCR, _dct_8x8())


def jpeg_synthesis() -> Array:
    """The inverse of `jpeg_analysis` (192, 192): inverse DCT, then YCbCr to RGB (ITU-T T.81)."""
    return np.kron(_YCBCR_TO_RGB, _dct_8x8().T)


def block_dct() -> Array:
    """An orthonormal cousin of `jpeg_analysis` (192, 192): opponent colours, then the 8x8 DCT.

    The components are (R + G + B) / sqrt(3), (R - B) / sqrt(2) and (R - 2G + B) / sqrt(6), close to
    the principal axes of natural colours (Ohta, Kanade & Sakai 1980). Being orthonormal, it keeps
    squared errors and can serve as a change of coordinates in training.
    """
    opponent = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])
    return np.kron(opponent, _dct_8x8())


def _dct_8x8() -> Array:
    """The separable DCT of a flattened 8x8 block (64, 64)."""
    return np.kron(dct_basis(8), dct_basis(8))

"""The uniform noise channel and universal quantization: Secs. 3.1 and 3.2, Eqs. 4-8.

Shapes: all arrays have one common shape of any rank; `u` holds uniform noise in [-1/2, 1/2). Noise
of another shape is refused: what broadcasting repeats is a shared shift, see `shared_shift_noise`.
Only a single number, of shape (), is taken for all coefficients, as it can hardly be a mistake.
"""

from __future__ import annotations

from typing import Any

from npuq.arguments import float_type, sizes, upstream
from npuq.backend import Array, floats, xp_of


def round_half_up(y: Array) -> Array:
    """The nearest integer, ties upwards, floor(y + 1/2): the bracket of Eq. (8), Sec. 4.1.

    Args:
        y: coefficients, float, any shape.

    Returns:
        Integers of the dtype and shape of `y`; infinities are themselves. What is rounded to 0
        keeps its sign, as IEEE 754 has it.

    Numerics: floor(y) plus one where the fraction reaches 1/2. The shorter floor(y + 1/2) fails
        where the sum rounds: for the number just below 1/2, and from 2^52 on.

    Departure: the paper writes one bracket for the floor and for the nearest integer (erratum E5)
        and leaves ties open. Eq. (8) for all u in [-1/2, 1/2) holds with ties upwards; NumPy's
        ties to even break it at u = -1/2 for odd integers.

    Example:
        >>> round_half_up(np.array([-1.5, -0.2, 0.5, 2.7]))
        array([-1., -0.,  1.,  3.])
    """
    y = floats(y, "y")
    xp = xp_of(y)
    floor = xp.floor(y)
    fraction = y - xp.where(xp.isinf(y), 0, floor)
    return xp.copysign(floor + (fraction >= 0.5).astype(floor.dtype), y)


def round_half_up_backward_straight_through(d_k: Array, y: Array) -> Array:
    """Straight-through surrogate of the gradient of rounding: the identity (Sec. 2, ref. [7]).

    The true derivative is zero almost everywhere. The surrogate is that of the expected derivative
    of Eq. (20), as rounding(y + 1/2) - rounding(y - 1/2) = 1.

    Args:
        d_k: gradient of the loss with respect to the rounded values.
        y: the coefficients that were rounded.

    Returns:
        The gradient with respect to `y`, of the same shape.

    Example:
        >>> round_half_up_backward_straight_through(np.array([3.0, -1.0]), np.array([0.2, 0.7]))
        array([ 3., -1.])
    """
    return +upstream(d_k, "d_k", floats(y, "y"))


def uniform_noise(rng: Any, shape: tuple[int, ...], dtype: Any = "float64") -> Array:
    """Uniform noise U ~ U([-1/2, 1/2)^D) of Eq. (4), Sec. 3.1.

    Args:
        rng: a NumPy or CuPy random generator; the array comes from its library.
        shape: shape of the noise; every entry is independent.
        dtype: float32 or float64; take that of the coefficients, as float64 noise makes float32
            coefficients float64.

    Returns:
        Noise in [-1/2, 1/2).

    Raises:
        TypeError: no generator, no shape, or another dtype.
        ValueError: a negative size.

    Example:
        >>> u = uniform_noise(np.random.default_rng(0), (2, 3))
        >>> u.shape, bool(np.all((u >= -0.5) & (u < 0.5)))
        ((2, 3), True)
    """
    if not hasattr(rng, "integers"):  # as those of Python, and NumPy's old ones, have not
        kind = type(rng).__name__
        raise TypeError(f"rng must be a Generator, as of numpy.random.default_rng, not {kind}")
    return rng.random(sizes(shape, "shape"), dtype=float_type(dtype)) - 0.5


def uniform_noise_channel(y: Array, u: Array) -> Array:
    """One use of the channel: z = y + u, Eq. (4), Sec. 3.1.

    Args:
        y: coefficients f(x).
        u: noise of the shape of `y`, see `uniform_noise`; or one number, a shared shift.

    Returns:
        The received coefficients z.

    Raises:
        ValueError: if the shapes differ.

    Example:
        >>> uniform_noise_channel(np.array([1.0, -2.0]), np.array([0.25, -0.5]))
        array([ 1.25, -2.5 ])
    """
    y, u = _with_noise(y, u, "y")
    return y + u


def uniform_noise_channel_backward(d_z: Array, y: Array, u: Array) -> tuple[Array, Array]:
    """Gradients of `uniform_noise_channel`, Eq. (4): the channel is differentiable.

    Args:
        d_z: gradient with respect to the output.
        y: coefficients.
        u: noise.

    Returns:
        (d_y, d_u).

    Example:
        >>> y, u = np.array([1.0, -2.0]), np.array([0.25, -0.5])
        >>> d_y, d_u = uniform_noise_channel_backward(np.array([3.0, 1.0]), y, u)
        >>> d_y, d_u
        (array([3., 1.]), array([3., 1.]))
    """
    y, u = _with_noise(y, u, "y")
    d_z = upstream(d_z, "d_z", y)
    return +d_z, +d_z if u.shape == y.shape else d_z.sum()


def universal_quantize(y: Array, u: Array) -> Array:
    """What the sender transmits: the integers k = round(y - u), Eq. (5), Sec. 3.2.

    Over a random u, k + u is distributed as y + u' with fresh noise u' (Eq. 6), and the integers
    cost H[K | U] = h[Y + U] bits (Eq. 7): as much as the receiver learns.

    Args:
        y: coefficients.
        u: noise that sender and receiver share (a dither): of the shape of `y`, or one number.

    Returns:
        Integers, in the dtype of `y`.

    Raises:
        ValueError: if the shapes differ.

    Numerics: y - u is rounded before it is quantized, so that a tie may fall to either side by one
        unit in the last place of y.

    Example:
        >>> y, u = np.array([1.3, -0.6]), np.array([0.25, -0.5])
        >>> universal_quantize(y, u)
        array([ 1., -0.])
    """
    y, u = _with_noise(y, u, "y")
    return round_half_up(y - u)


def universal_dequantize(k: Array, u: Array) -> Array:
    """What the receiver reconstructs: z = k + u, Eq. (5), Sec. 3.2.

    Args:
        k: the received integers, of an integer or a float dtype.
        u: the noise that the sender used.

    Returns:
        z, distributed as the output of the uniform noise channel (Eq. 6); in the dtype of `u` if
        that of `k` is an integer one.

    Raises:
        ValueError: if the shapes differ.

    Example:
        >>> universal_dequantize(np.array([1, 0]), np.array([0.25, -0.5]))
        array([ 1.25, -0.5 ])
    """
    k, u = _with_noise(k, u, "k")
    return k + u


def shared_shift_noise(rng: Any, shape: tuple[int, ...], dtype: Any = "float64") -> Array:
    """The same shift for all coefficients, U_i = U_j: Sec. 3.2, after ref. [9]; for contrast.

    Every coefficient by itself still sees uniform noise, but the channel is no bottleneck any more:
    one coefficient that is known to be 0 reveals the shift, and with it all others exactly.

    Args:
        rng: a NumPy or CuPy random generator.
        shape: shape of the coefficients.
        dtype: float32 or float64.

    Returns:
        An array of `shape` that holds one value of [-1/2, 1/2) throughout.
    """
    shift = uniform_noise(rng, (), dtype)
    return xp_of(shift).full(shape, shift, dtype=dtype)


def _with_noise(y: Array, u: Array, name: str) -> tuple[Array, Array]:
    """Both as floats, of one shape; integers take the dtype of the other one."""
    u = floats(u, "u", floats(y, name))
    y = floats(y, name, u)
    if u.shape not in (y.shape, ()):
        raise ValueError(
            f"{name} and u must have one shape, not {y.shape} and {u.shape}: each coefficient "
            "needs noise of its own"
        )
    return y, u

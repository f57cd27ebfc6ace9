"""JAX's convolutions, and Optax's Adam where it is installed, under the names of `npuq check`."""

import contextlib

from jax import lax

LAYOUT = ("NHWC", "OIHW", "NHWC")


def conv2d(x, w, stride, padding):
    pads = [(padding, padding)] * 2
    return lax.conv_general_dilated(x, w, (stride, stride), pads, dimension_numbers=LAYOUT)


def conv_transpose2d(x, w, stride, padding):
    # with transpose_kernel, w is that of the convolution whose adjoint this is
    pads = [(size - 1 - padding, size - 1 - padding) for size in w.shape[2:]]
    return lax.conv_transpose(
        x, w, (stride, stride), pads, dimension_numbers=LAYOUT, transpose_kernel=True
    )


with contextlib.suppress(ImportError):
    import optax

    def adam_step(p, g, m, v, step, learning_rate, beta1, beta2, epsilon):
        adam = optax.scale_by_adam(b1=beta1, b2=beta2, eps=epsilon)
        state = optax.ScaleByAdamState(step - 1, m, v)
        update, state = adam.update(g, state)
        return p - learning_rate * update, state.mu, state.nu

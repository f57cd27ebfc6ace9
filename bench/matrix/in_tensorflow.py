"""TensorFlow's convolutions and Keras's Adam under the names of `npuq check`."""

import tensorflow as tf

tf.keras.backend.set_floatx("float64")  # of which Adam makes its learning rate


def _pads(padding):
    return [[0, 0], [padding, padding], [padding, padding], [0, 0]]


def conv2d(x, w, stride, padding):
    return tf.nn.conv2d(x, tf.transpose(w, (2, 3, 1, 0)), stride, _pads(padding))


def conv_transpose2d(x, w, stride, padding):
    (n, *sizes, _), (_, out, *kernel) = x.shape, w.shape
    sides = [(s - 1) * stride + k - 2 * padding for s, k in zip(sizes, kernel)]  # noqa: B905
    kernels = tf.transpose(w, (2, 3, 1, 0))
    return tf.nn.conv2d_transpose(x, kernels, (n, *sides, out), stride, _pads(padding))


def adam_step(p, g, m, v, step, learning_rate, beta1, beta2, epsilon):
    adam = tf.keras.optimizers.Adam(learning_rate, beta1, beta2, epsilon)
    p = tf.Variable(p)
    adam.build([p])
    adam._momentums[0].assign(m)
    adam._velocities[0].assign(v)
    adam.iterations.assign(step - 1)
    adam.apply_gradients([(g, p)])
    return p.value(), adam._momentums[0].value(), adam._velocities[0].value()

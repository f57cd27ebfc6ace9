"""tensorflow-compression under the names of `npuq check`.

`alpha` becomes a tensor of the arguments' precision: as a number of Python's it is float32 there.
"""

import math

import tensorflow as tf
import tensorflow_compression as tfc
import tensorflow_probability as tfp
from tensorflow_compression.python.ops import gen_ops

BITS = 16
LOGISTIC, NORMAL = tfp.distributions.Logistic, tfp.distributions.Normal


def soft_round(y, alpha):
    return tfc.soft_round(y, tf.constant(alpha, y.dtype))


def soft_round_inverse(z, alpha):
    return tfc.soft_round_inverse(z, tf.constant(alpha, z.dtype))


def soft_round_conditional_mean(z, alpha):
    return tfc.soft_round_conditional_mean(z, tf.constant(alpha, z.dtype))


def soft_round_conditional_mean_expected(z, alpha):
    return _expected(lambda x: soft_round_conditional_mean(x, alpha), z)


def _expected(f, y, *arguments):
    """f, with its expected gradient to the first of its arguments."""
    return tfc.perturb_and_apply(f, y, *arguments, u=tf.zeros_like(y), expected_grads=True)[0]


def round_straight_through(y):
    return tfc.round_st(y)


def round_about(y, loc):
    return tfc.round_st(y, loc)


def uniform_noise(shape, seed):
    tf.random.set_seed(seed)
    return tfc.perturb_and_apply(tf.identity, tf.zeros(shape))[1]


def dither(shape, seed):
    """What it leaves of zeros. The seed is a constant of the library."""
    prior = tfc.NoisyNormal(loc=0.0, scale=1.0)
    model = tfc.UniversalBatchedEntropyModel(prior, coding_rank=3, compression=False)
    return model(tf.zeros(shape), training=False)[0]


def _soft_rounded(base, loc, scale, alpha):
    adapter = tfc.SoftRoundAdapter(base(loc, scale), tf.constant(alpha, loc.dtype))
    return tfc.UniformNoiseAdapter(adapter)


def normal_density(z, loc, scale):
    return tfc.NoisyNormal(loc=loc, scale=scale).prob(z)


def normal_bits(z, loc, scale):
    return tfc.NoisyNormal(loc=loc, scale=scale).log_prob(z) / -math.log(2)


def logistic_density(z, loc, scale):
    return tfc.NoisyLogistic(loc=loc, scale=scale).prob(z)


def logistic_bits(z, loc, scale):
    return tfc.NoisyLogistic(loc=loc, scale=scale).log_prob(z) / -math.log(2)


def normal_soft_rounded_density(z, loc, scale, alpha):
    return _soft_rounded(NORMAL, loc, scale, alpha).prob(z)


def normal_soft_rounded_bits(z, loc, scale, alpha):
    return _soft_rounded(NORMAL, loc, scale, alpha).log_prob(z) / -math.log(2)


def normal_soft_rounded_bits_expected(y, loc, scale, alpha):
    return _expected(lambda z, *p: normal_soft_rounded_bits(z, *p, alpha), y, loc, scale)


def logistic_soft_rounded_density(z, loc, scale, alpha):
    return _soft_rounded(LOGISTIC, loc, scale, alpha).prob(z)


def logistic_soft_rounded_bits(z, loc, scale, alpha):
    return _soft_rounded(LOGISTIC, loc, scale, alpha).log_prob(z) / -math.log(2)


def logistic_soft_rounded_bits_expected(y, loc, scale, alpha):
    return _expected(lambda z, *p: logistic_soft_rounded_bits(z, *p, alpha), y, loc, scale)


def nonparametric_bits(z, *arrays):
    model = tfc.NoisyDeepFactorized(batch_shape=z.shape[:1], num_filters=(3, 3, 3), dtype=z.dtype)
    model.base._matrices, model.base._biases = list(arrays[::3]), list(arrays[1::3])
    model.base._factors = list(arrays[2::3])
    return tf.transpose(model.log_prob(tf.transpose(z))) / -math.log(2)


def _gdn(x, beta, gamma, inverse):
    layer = tfc.GDN(
        inverse=inverse, alpha_parameter=2, epsilon_parameter=0.5, beta_parameter=lambda: beta,
        gamma_parameter=lambda: tf.transpose(gamma), dtype=x.dtype,
    )  # fmt: skip
    return layer(x)


def gdn(x, beta, gamma):
    return _gdn(x, beta, gamma, False)


def inverse_gdn(x, beta, gamma):
    return _gdn(x, beta, gamma, True)


def _tables(probabilities, escape):
    """Its lookup, in which a CDF follows the other behind its precision, and a row's number.

    A precision below 0 says that the last symbol stands for all other integers.
    """
    none = [] if escape else [0.0]  # a probability of which it makes a count of 1
    rows = {}
    for row in probabilities.numpy().tolist():
        if tuple(row) not in rows:
            pmf = tf.constant(row + none, tf.float32)
            cdf = gen_ops.pmf_to_quantized_cdf(pmf, precision=BITS)
            rows[tuple(row)] = len(rows), [-BITS, *cdf.numpy().tolist()]
    indexes = [rows[tuple(row)][0] for row in probabilities.numpy().tolist()]
    flat = [entry for _, row in rows.values() for entry in row]
    return tf.constant(flat, tf.int32), tf.constant(indexes, tf.int32)


def _encode(symbols, probabilities, escape):
    lookup, indexes = _tables(probabilities, escape)
    handle = gen_ops.create_range_encoder([], lookup)
    handle = gen_ops.entropy_encode_index(handle, indexes, tf.cast(symbols, tf.int32))
    return gen_ops.entropy_encode_finalize(handle).numpy()


def _decode(data, probabilities, escape):
    lookup, indexes = _tables(probabilities, escape)
    handle = gen_ops.create_range_decoder(tf.constant(data.numpy().tobytes()), lookup)
    _, symbols = gen_ops.entropy_decode_index(handle, indexes, tf.shape(indexes), tf.int32)
    return symbols


def entropy_encode(symbols, probabilities):
    return _encode(symbols, probabilities, False)


def entropy_decode(data, probabilities):
    return _decode(data, probabilities, False)


def escape_encode(symbols, probabilities):
    return _encode(symbols, probabilities, True)


def escape_decode(data, probabilities):
    return _decode(data, probabilities, True)

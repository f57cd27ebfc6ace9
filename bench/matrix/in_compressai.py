"""CompressAI under the names of `npuq check`, as its layers and entropy models have them.

Bounds are its own: probabilities of 1e-9 at least, and scales of 0.11 at least.
"""

import torch
from stand_ins import stand_in

stand_in("torchvision", "torchvision.transforms")

import compressai.ans  # noqa: E402
from compressai._CXX import pmf_to_quantized_cdf  # noqa: E402
from compressai.entropy_models import EntropyBottleneck, GaussianConditional  # noqa: E402
from compressai.layers import GDN  # noqa: E402
from compressai.ops import quantize_ste as round_straight_through  # noqa: E402, F401

NORMAL = GaussianConditional(None)
BITS = 16


def round_about(y, loc):
    return NORMAL.quantize(y, "dequantize", loc)


def universal_dequantize(k, u):
    return NORMAL.dequantize(k, u)


def uniform_noise(shape, seed):
    torch.manual_seed(seed)
    return NORMAL.quantize(torch.zeros(shape), "noise")


def normal_density(z, loc, scale):
    return NORMAL.likelihood_lower_bound(NORMAL._likelihood(z, scale, loc))


def normal_bits(z, loc, scale):
    return -torch.log2(normal_density(z, loc, scale))


def nonparametric_bits(z, *arrays):
    model = EntropyBottleneck(len(z), filters=(3, 3, 3))
    for name, number in (("matrices", 0), ("biases", 1), ("factors", 2)):
        setattr(model, name, None)
        model.__dict__[name] = arrays[number::3]
    return -torch.log2(model.likelihood_lower_bound(model._likelihood(z[:, None])[0]))[:, 0]


def _gdn(x, beta, gamma, inverse):
    layer = GDN(len(beta), inverse=inverse)
    for name, value in (("beta", beta), ("gamma", gamma)):  # which it keeps as square roots
        delattr(layer, name)
        setattr(layer, name, torch.sqrt(value + getattr(layer, f"{name}_reparam").pedestal))
    return layer(x.flatten(0, -2).T[None, ..., None])[0, ..., 0].T.reshape(x.shape)


def gdn(x, beta, gamma):
    return _gdn(x, beta, gamma, False)


def inverse_gdn(x, beta, gamma):
    return _gdn(x, beta, gamma, True)


def _tables(probabilities, escape):
    """Its arguments (indexes, tables, sizes, offsets): one table for equal rows."""
    rows, indexes = probabilities.unique(dim=0, return_inverse=True)
    none = [] if escape else [0.0]  # for all other integers, of which it makes a count of 1
    tables = [pmf_to_quantized_cdf(row + none, BITS) for row in rows.tolist()]
    return indexes.tolist(), tables, [len(table) for table in tables], [0] * len(tables)


def _encode(symbols, probabilities, escape):
    if len(symbols) < 2:  # else no other law could be asked
        raise RuntimeError("the process would end: RansEncoder takes two symbols at least")
    tables = _tables(probabilities, escape)
    return compressai.ans.RansEncoder().encode_with_indexes(symbols.tolist(), *tables)


def _decode(data, probabilities, escape):
    tables = _tables(probabilities, escape)
    data = data.numpy().tobytes()
    return torch.tensor(compressai.ans.RansDecoder().decode_with_indexes(data, *tables))


def entropy_encode(symbols, probabilities):
    return _encode(symbols, probabilities, False)


def entropy_decode(data, probabilities):
    return _decode(data, probabilities, False)


def escape_encode(symbols, probabilities):
    return _encode(symbols, probabilities, True)


def escape_decode(data, probabilities):
    return _decode(data, probabilities, True)

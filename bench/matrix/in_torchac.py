"""torchac under the names of `npuq check`. It takes float CDFs, of which it makes 16 bits."""

import torch
import torchac


def _cdf(probabilities):
    """Rows that begin with 0 and end with 1."""
    cdf = torch.nn.functional.pad(probabilities.cumsum(1), (1, 0)).float()
    return cdf.clamp(max=1)


def entropy_encode(symbols, probabilities):
    return torchac.encode_float_cdf(_cdf(probabilities), symbols.to(torch.int16))


def entropy_decode(data, probabilities):
    return torchac.decode_float_cdf(_cdf(probabilities), data.numpy().tobytes())

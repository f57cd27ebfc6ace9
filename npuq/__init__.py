"""Universally Quantized Neural Compression on NumPy: the paper as a library and a codec.

The public names below are imported from their modules when they are first used (PEP 562), so that
`import npuq` takes milliseconds and loads neither NumPy nor Numba.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from npuq.codec import compress as compress
    from npuq.codec import decompress as decompress
    from npuq.errors import NpuqError as NpuqError
    from npuq.metrics import bd_rate as bd_rate
    from npuq.metrics import ms_ssim as ms_ssim
    from npuq.metrics import psnr as psnr
    from npuq.model_file import load_model as load_model
    from npuq.paper.channel import round_half_up as round_half_up
    from npuq.paper.channel import uniform_noise as uniform_noise
    from npuq.paper.channel import uniform_noise_channel as uniform_noise_channel
    from npuq.paper.channel import universal_dequantize as universal_dequantize
    from npuq.paper.channel import universal_quantize as universal_quantize
    from npuq.paper.conditional_mean import conditional_mean as conditional_mean
    from npuq.paper.density import density as density
    from npuq.paper.density import interval_bits as interval_bits
    from npuq.paper.density import rate_bits as rate_bits
    from npuq.paper.expected_gradient import expected_derivative as expected_derivative
    from npuq.paper.soft_round import soft_round as soft_round
    from npuq.paper.soft_round import soft_round_conditional_mean as soft_round_conditional_mean
    from npuq.paper.soft_round import soft_round_inverse as soft_round_inverse

__version__ = "0.1.0"

_MODULE_OF = {
    "compress": "npuq.codec",
    "decompress": "npuq.codec",
    "load_model": "npuq.model_file",
    "round_half_up": "npuq.paper.channel",
    "uniform_noise": "npuq.paper.channel",
    "uniform_noise_channel": "npuq.paper.channel",
    "universal_quantize": "npuq.paper.channel",
    "universal_dequantize": "npuq.paper.channel",
    "soft_round": "npuq.paper.soft_round",
    "soft_round_inverse": "npuq.paper.soft_round",
    "soft_round_conditional_mean": "npuq.paper.soft_round",
    "conditional_mean": "npuq.paper.conditional_mean",
    "expected_derivative": "npuq.paper.expected_gradient",
    "density": "npuq.paper.density",
    "interval_bits": "npuq.paper.density",
    "rate_bits": "npuq.paper.density",
    "psnr": "npuq.metrics",
    "ms_ssim": "npuq.metrics",
    "bd_rate": "npuq.metrics",
    "NpuqError": "npuq.errors",
}

__all__ = ["__version__", *_MODULE_OF]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'npuq' has no attribute {name!r}")
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value  # the next use does not come here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})

"""Universally Quantized Neural Compression on NumPy: the paper as a library and a codec.

What is here, in the paper's order; `help(npuq.NAME)` says more, and modules of `npuq.paper`,
`npuq.nn` and `npuq.models` hold the rest:

    image files           compress, decompress, load_model
    arrays of one's own   make_tables, make_scale_tables, save_tables, load_tables, encode_array,
                          decode_array
    in several dimensions make_lattice_tables, save_lattice_tables, load_lattice_tables,
                          encode_vectors, decode_vectors
    dither of files       dither_integers, dither_values, content_seed
    noise channel         uniform_noise, uniform_noise_channel
    quantization          universal_quantize, universal_dequantize, round_half_up
    soft rounding         soft_round, soft_round_inverse, soft_round_conditional_mean,
                          conditional_mean
    rate                  density, interval_bits, rate_bits, log_cdf, log_interval
    expected gradients    expected_derivative
    measures              psnr, ms_ssim, bd_rate
    your implementation   check, parametrize_with_checks
    errors                NpuqError, the base of all that a user can cause and mend

A backward pass has the name of its function and `_backward`, as in soft_round_backward; it takes
the upstream gradient, then the arguments of the function. Surrogates for the gradient are
rate_bits_backward_expected (Eq. 17), soft_round_conditional_mean_backward_expected (Eq. 20) and
round_half_up_backward_straight_through.

The names are imported from their modules when they are first used (PEP 562), so that `import npuq`
takes milliseconds and loads neither NumPy nor Numba.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from npuq.checks.door import check as check
    from npuq.checks.testing import parametrize_with_checks as parametrize_with_checks
    from npuq.codec.files import compress as compress
    from npuq.codec.files import decompress as decompress
    from npuq.coding.dither import content_seed as content_seed
    from npuq.coding.dither import dither_integers as dither_integers
    from npuq.coding.dither import dither_values as dither_values
    from npuq.errors import NpuqError as NpuqError
    from npuq.evaluation.comparison import bd_rate as bd_rate
    from npuq.evaluation.metrics import ms_ssim as ms_ssim
    from npuq.evaluation.metrics import psnr as psnr
    from npuq.latents.arrays import decode_array as decode_array
    from npuq.latents.arrays import encode_array as encode_array
    from npuq.latents.lattice_arrays import decode_vectors as decode_vectors
    from npuq.latents.lattice_arrays import encode_vectors as encode_vectors
    from npuq.latents.lattice_tables import make_lattice_tables as make_lattice_tables
    from npuq.latents.lattice_tables_file import load_lattice_tables as load_lattice_tables
    from npuq.latents.lattice_tables_file import save_lattice_tables as save_lattice_tables
    from npuq.latents.tables import make_scale_tables as make_scale_tables
    from npuq.latents.tables import make_tables as make_tables
    from npuq.latents.tables_file import load_tables as load_tables
    from npuq.latents.tables_file import save_tables as save_tables
    from npuq.nn.log_mass import log_cdf as log_cdf
    from npuq.nn.log_mass import log_cdf_backward as log_cdf_backward
    from npuq.nn.log_mass import log_interval as log_interval
    from npuq.nn.log_mass import log_interval_backward as log_interval_backward
    from npuq.paper.channel import round_half_up as round_half_up
    from npuq.paper.channel import (
        round_half_up_backward_straight_through as round_half_up_backward_straight_through,
    )
    from npuq.paper.channel import uniform_noise as uniform_noise
    from npuq.paper.channel import uniform_noise_channel as uniform_noise_channel
    from npuq.paper.channel import uniform_noise_channel_backward as uniform_noise_channel_backward
    from npuq.paper.channel import universal_dequantize as universal_dequantize
    from npuq.paper.channel import universal_quantize as universal_quantize
    from npuq.paper.conditional_mean import conditional_mean as conditional_mean
    from npuq.paper.conditional_mean import conditional_mean_backward as conditional_mean_backward
    from npuq.paper.density import density as density
    from npuq.paper.density import interval_bits as interval_bits
    from npuq.paper.density import interval_bits_backward as interval_bits_backward
    from npuq.paper.density import rate_bits as rate_bits
    from npuq.paper.density import rate_bits_backward as rate_bits_backward
    from npuq.paper.expected_gradient import expected_derivative as expected_derivative
    from npuq.paper.expected_gradient import (
        rate_bits_backward_expected as rate_bits_backward_expected,
    )
    from npuq.paper.expected_gradient import (
        soft_round_conditional_mean_backward_expected as soft_round_conditional_mean_backward_expected,  # noqa: E501
    )
    from npuq.paper.soft_round import soft_round as soft_round
    from npuq.paper.soft_round import soft_round_backward as soft_round_backward
    from npuq.paper.soft_round import soft_round_conditional_mean as soft_round_conditional_mean
    from npuq.paper.soft_round import (
        soft_round_conditional_mean_backward as soft_round_conditional_mean_backward,
    )
    from npuq.paper.soft_round import soft_round_inverse as soft_round_inverse
    from npuq.paper.soft_round import soft_round_inverse_backward as soft_round_inverse_backward
    from npuq.trained.model_file import load_model as load_model

__version__ = "0.2.0"

_MODULE_OF = {
    "compress": "npuq.codec.files",
    "decompress": "npuq.codec.files",
    "load_model": "npuq.trained.model_file",
    "make_tables": "npuq.latents.tables",
    "make_scale_tables": "npuq.latents.tables",
    "save_tables": "npuq.latents.tables_file",
    "load_tables": "npuq.latents.tables_file",
    "encode_array": "npuq.latents.arrays",
    "decode_array": "npuq.latents.arrays",
    "make_lattice_tables": "npuq.latents.lattice_tables",
    "save_lattice_tables": "npuq.latents.lattice_tables_file",
    "load_lattice_tables": "npuq.latents.lattice_tables_file",
    "encode_vectors": "npuq.latents.lattice_arrays",
    "decode_vectors": "npuq.latents.lattice_arrays",
    "dither_integers": "npuq.coding.dither",
    "dither_values": "npuq.coding.dither",
    "content_seed": "npuq.coding.dither",
    "round_half_up": "npuq.paper.channel",
    "round_half_up_backward_straight_through": "npuq.paper.channel",
    "uniform_noise": "npuq.paper.channel",
    "uniform_noise_channel": "npuq.paper.channel",
    "uniform_noise_channel_backward": "npuq.paper.channel",
    "universal_quantize": "npuq.paper.channel",
    "universal_dequantize": "npuq.paper.channel",
    "soft_round": "npuq.paper.soft_round",
    "soft_round_backward": "npuq.paper.soft_round",
    "soft_round_inverse": "npuq.paper.soft_round",
    "soft_round_inverse_backward": "npuq.paper.soft_round",
    "soft_round_conditional_mean": "npuq.paper.soft_round",
    "soft_round_conditional_mean_backward": "npuq.paper.soft_round",
    "soft_round_conditional_mean_backward_expected": "npuq.paper.expected_gradient",
    "conditional_mean": "npuq.paper.conditional_mean",
    "conditional_mean_backward": "npuq.paper.conditional_mean",
    "expected_derivative": "npuq.paper.expected_gradient",
    "density": "npuq.paper.density",
    "interval_bits": "npuq.paper.density",
    "interval_bits_backward": "npuq.paper.density",
    "rate_bits": "npuq.paper.density",
    "rate_bits_backward": "npuq.paper.density",
    "rate_bits_backward_expected": "npuq.paper.expected_gradient",
    "log_cdf": "npuq.nn.log_mass",
    "log_cdf_backward": "npuq.nn.log_mass",
    "log_interval": "npuq.nn.log_mass",
    "log_interval_backward": "npuq.nn.log_mass",
    "psnr": "npuq.evaluation.metrics",
    "ms_ssim": "npuq.evaluation.metrics",
    "bd_rate": "npuq.evaluation.comparison",
    "check": "npuq.checks.door",
    "parametrize_with_checks": "npuq.checks.testing",
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

"""--device, of the commands that compute a model's transforms."""

from __future__ import annotations

import argparse

from npuq.errors import NoDeviceError

DEVICE_HELP = (
    "where a model's transforms are computed; cuda is an NVIDIA GPU, auto takes it if there is one "
    "(default: cpu)"
)


def device(text: str) -> str:
    """The device of a --device, which can be used: "cpu" or "cuda"."""
    from npuq.backend import DEVICES, usable_device

    if text not in DEVICES:
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(DEVICES)}, not {text!r}")
    try:
        return usable_device(text)
    except NoDeviceError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_device(parser: argparse.ArgumentParser) -> None:
    """Declare --device."""
    parser.add_argument(
        "--device", type=device, default="cpu", metavar="cpu|cuda|auto", help=DEVICE_HELP
    )

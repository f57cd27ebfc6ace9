"""Arrays as JSON and back. Imports nothing of npuq: `worker.py` runs it in other interpreters.

An array is {"dtype": "float64", "shape": [2, 3], "data": "..."}: its numbers little-endian, the
last axis fastest, in base64.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np


def encoded(value: Any) -> Any:
    """An array, or several, for JSON; numbers are themselves, bytes an array of uint8."""
    if isinstance(value, (tuple, list)):
        return [encoded(part) for part in value]
    if isinstance(value, (bytes, bytearray)):
        value = np.frombuffer(value, np.uint8)
    if isinstance(value, np.generic):
        value = np.asarray(value)
    if not isinstance(value, np.ndarray):
        return value
    data = np.ascontiguousarray(value, value.dtype.newbyteorder("<")).tobytes()
    text = base64.b64encode(data).decode("ascii")
    return {"dtype": value.dtype.name, "shape": list(value.shape), "data": text}


def decoded(value: Any) -> Any:
    """The way back.

    Raises:
        ValueError: an array whose parts do not fit each other.
    """
    if isinstance(value, list):
        return tuple(decoded(part) for part in value)
    if not isinstance(value, dict):
        return value
    try:
        data = base64.b64decode(value["data"], validate=True)
        array = np.frombuffer(data, np.dtype(value["dtype"]).newbyteorder("<"))
        return array.reshape(value["shape"]).astype(value["dtype"])
    except (KeyError, TypeError, binascii.Error) as error:
        raise ValueError(f"the program's answer holds no array: {error!r}") from error

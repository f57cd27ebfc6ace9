"""`.npy` files, NumPy's own: the header is checked before memory is taken for what it claims."""

from __future__ import annotations

import io
import math

import numpy as np

from npuq.backend import Array
from npuq.errors import InvalidArrayError

MAGIC = b"\x93NUMPY"


def array_of_npy(data: bytes) -> Array:
    """The array in the contents of a `.npy` file, without a copy; not to be written to.

    Raises:
        InvalidArrayError: damaged, or as long as its header does not say, or of objects.
    """
    stream = io.BytesIO(data)
    try:
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[np.lib.format.read_magic(stream)]
        shape, is_fortran, dtype = read_header(stream)
    except Exception as error:  # whatever NumPy's parser comes across
        raise InvalidArrayError("is no .npy file of a known version, or it is damaged") from error
    begin = stream.tell()
    if dtype.hasobject or len(data) - begin != math.prod(shape) * dtype.itemsize:
        raise InvalidArrayError("is not as long as its header says, or holds objects")
    flat = np.frombuffer(data, dtype, offset=begin)
    return flat.reshape(shape, order="F" if is_fortran else "C")


def npy_of_array(array: Array) -> tuple[bytes, memoryview]:
    """The contents of a `.npy` file in two parts: its header, and the array where it lies."""
    stream = io.BytesIO()
    array = np.ascontiguousarray(array).reshape(array.shape)
    np.lib.format.write_array_header_1_0(stream, np.lib.format.header_data_from_array_1_0(array))
    return stream.getvalue(), array.reshape(-1).view(np.uint8).data

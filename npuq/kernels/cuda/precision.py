"""How exactly products are computed on a CUDA device: in single precision, or in TF32 for training.

TF32 has the range of float32 and 11 bits of its 24, and tensor cores multiply it several times as
fast. Integer scales never come here: they are computed in float64.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

PRECISIONS = ("float32", "tf32")
_now = "float32"


@contextlib.contextmanager
def precision(name: str) -> Iterator[None]:
    """Within it, products of float32 arrays are computed so.

    Raises:
        ValueError: neither "float32" nor "tf32".
    """
    global _now
    if name not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, not {name!r}")
    before, _now = _now, name
    try:
        yield
    finally:
        _now = before


def is_precise() -> bool:
    """Whether products are to be those of single precision."""
    return _now == "float32"

"""What a named mistake is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class Mistake(NamedTuple):
    """A small wrong implementation that people write, and its name."""

    name: str
    """As reports call it."""
    cost: str
    """What it costs, in the user's terms."""
    law: str
    """The law that has to see it."""
    functions: Mapping[str, Callable[..., Any]]
    """The wrong ones, by the names of the list; NumPy in, NumPy out."""
    partners: Mapping[str, Callable[..., Any]] = MappingProxyType({})
    """Without a fault, but needed with them, as the decoder of an encoder."""

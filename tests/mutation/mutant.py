"""What a planted fault is."""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """One fault, and the tests that must see it.

    Attributes:
        name: what is wrong, in words; unique.
        file: where, from the root of the checkout.
        old: a piece of the file's text that occurs in it exactly once.
        new: what stands there instead.
        tests: as pytest takes them: files, `file::test`, also with parameters.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

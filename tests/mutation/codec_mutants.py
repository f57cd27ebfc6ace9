"""Faults in the coder, the codec and what decides a symbol."""

from __future__ import annotations

from mutant import Mutant

CODEC_MUTANTS: list[Mutant] = []

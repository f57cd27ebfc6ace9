"""The lists of faults fit the package as it is: what they change and the tests they name exist.

Whether the tests notice is for `python tests/mutation` to say, which takes its time.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from checks_mutants import CHECKS_MUTANTS
from codec_mutants import CODEC_MUTANTS
from cuda_mutants import CUDA_MUTANTS
from lattice_mutants import LATTICE_MUTANTS
from model_mutants import MODEL_MUTANTS
from mutant import Mutant
from ranks_mutants import RANKS_MUTANTS

ROOT = Path(__file__).resolve().parents[2]
MUTANTS = [
    *MODEL_MUTANTS,
    *CODEC_MUTANTS,
    *CUDA_MUTANTS,
    *CHECKS_MUTANTS,
    *LATTICE_MUTANTS,
    *RANKS_MUTANTS,
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_fault_has_its_place_and_its_tests(mutant: Mutant) -> None:
    assert (ROOT / mutant.file).read_text(encoding="utf-8").count(mutant.old) == 1
    assert mutant.new != mutant.old and mutant.tests
    for test in mutant.tests:
        file, _, function = test.partition("::")
        assert (ROOT / file).is_file(), test
        name = function.partition("[")[0]
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8") or not name, test


def test_names_of_faults_are_unique() -> None:
    names = [mutant.name for mutant in MUTANTS]
    assert len(names) == len(set(names))

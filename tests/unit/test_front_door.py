"""The names that `npuq` itself offers."""

from __future__ import annotations

import ast
import doctest
import inspect
import pydoc
import re
from pathlib import Path

import numpy as np
import pytest

import npuq

SOURCE = Path(npuq.__file__).read_text(encoding="utf-8")


def test_backward_functions_stand_beside_their_forwards() -> None:
    """All backward functions of what is offered, surrogates too, whichever file they are in."""
    offered = {name for name in npuq.__all__ if inspect.isfunction(getattr(npuq, name))}
    folder = Path(npuq.__file__).parent / "paper"
    defined = {
        node.name
        for path in folder.glob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }
    backwards = {name for name in defined if name.partition("_backward")[0] in offered - {name}}
    assert len(backwards) >= 10
    assert backwards <= offered
    order = [name.partition("_backward")[0] for name in npuq.__all__]
    together = [name for i, name in enumerate(order) if i == 0 or order[i - 1] != name]
    assert len(together) == len(set(together)), "a backward is away from its function"


def test_help_names_the_functions_before_anything_else() -> None:
    text = pydoc.plain(pydoc.render_doc(npuq))
    overview = text[: text.index("PACKAGE CONTENTS")]
    for name in npuq.__all__:
        if "_backward" not in name and name != "__version__":
            assert re.search(rf"\b{name}\b", overview), name
    for name in re.findall(r"\b\w+_backward\w+", overview):
        assert name in npuq.__all__
    details = text[text.index("FUNCTIONS") :]
    for name in ("compress", "soft_round", "rate_bits_backward_expected"):
        assert f"\n    {name}(" in details


def test_type_checkers_see_the_same_names() -> None:
    branch = next(node for node in ast.parse(SOURCE).body if isinstance(node, ast.If))
    seen = {
        alias.asname: node.module
        for node in branch.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name
    }
    assert seen == npuq._MODULE_OF


OF_THE_PAPER = sorted(
    name
    for name, module in npuq._MODULE_OF.items()
    if module.startswith("npuq.paper.") or module == "npuq.evaluation.metrics"
)


@pytest.mark.parametrize("name", OF_THE_PAPER)
def test_help_has_an_example_that_runs(name: str) -> None:
    """As one would type it after `from npuq import ...` and `import numpy as np`."""
    function = getattr(npuq, name)
    (example,) = doctest.DocTestFinder().find(
        function, name, globs={name: function, "np": np}, module=False
    )
    assert any(name in line.source for line in example.examples), "no example calls it"
    said: list[str] = []
    assert doctest.DocTestRunner(verbose=False).run(example, out=said.append).failed == 0, said

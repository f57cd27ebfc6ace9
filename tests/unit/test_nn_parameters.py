"""Trees of arrays to dictionaries by name, and back."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

from npuq.nn import nonparametric
from npuq.nn.parameters import named_arrays, with_arrays


class Model(NamedTuple):
    analysis: Any
    density: Any
    bias: Any = None


@pytest.fixture
def model() -> Model:
    density = nonparametric.init(np.random.default_rng(0), 2, widths=(3,))
    return Model(np.eye(2), density)


def test_names_are_paths_in_tree_order(model: Model) -> None:
    named = named_arrays(model)
    assert list(named) == [
        "analysis",
        "density.H.0",
        "density.H.1",
        "density.a.0",
        "density.b.0",
        "density.b.1",
    ]
    assert named["density.H.1"] is model.density.H[1]


def test_there_and_back_is_the_same_tree(model: Model) -> None:
    doubled = with_arrays(model, {name: 2 * a for name, a in named_arrays(model).items()})
    assert type(doubled) is Model
    assert type(doubled.density) is nonparametric.NonparametricParams
    assert type(doubled.density.H) is tuple
    assert doubled.bias is None
    np.testing.assert_array_equal(doubled.density.b[1], 2 * model.density.b[1])


def test_a_lone_array_is_a_tree() -> None:
    assert list(named_arrays(np.ones(2))) == [""]
    assert with_arrays(np.ones(2), {"": np.zeros(2)}).tolist() == [0, 0]


def test_what_does_not_fit_is_refused_by_name(model: Model) -> None:
    arrays = named_arrays(model)
    missing = {name: a for name, a in arrays.items() if name != "density.a.0"}
    with pytest.raises(KeyError, match=r"density\.a\.0"):
        with_arrays(model, missing)
    with pytest.raises(ValueError, match=r"density\.a\.0 must have shape \(2, 3, 1\), not \(6,\)"):
        with_arrays(model, arrays | {"density.a.0": np.zeros(6)})
    with pytest.raises(ValueError, match="does not have: synthesis"):
        with_arrays(model, arrays | {"synthesis": np.eye(2)})
    with pytest.raises(TypeError, match="bias is list"):
        named_arrays(model._replace(bias=[1.0]))

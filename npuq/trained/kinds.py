"""The one table of kinds of models: who needs to know what a kind does asks it here."""

from __future__ import annotations

from npuq.errors import ModelError
from npuq.trained.factorized import FACTORIZED
from npuq.trained.hyperprior import HYPERPRIOR
from npuq.trained.kind import Kind, Params
from npuq.trained.linear import LINEAR

KINDS = {kind.name: kind for kind in (LINEAR, HYPERPRIOR, FACTORIZED)}
"""By the name that files and the command line use."""


def kind_of(params: Params) -> Kind:
    """The kind of model that parameters are of.

    Raises:
        ModelError: of none.
    """
    for kind in KINDS.values():
        if isinstance(params, kind.params):
            return kind
    raise ModelError("the parameters are not those of a model of ours")

"""The one table of kinds of models that can be trained."""

from __future__ import annotations

from typing import Any

from npuq.training import hyperprior, linear
from npuq.training.settings import Settings
from npuq.training.trainable import Objective

TRAINABLE = {kind.kind.name: kind for kind in (linear.TRAINABLE, hyperprior.TRAINABLE)}
"""By the name that `Settings.model`, files and the command line use."""


def objective_of(options: Settings, device: str = "cpu") -> Objective[Any]:
    """The loss of the model that options are for, with what it needs on a device."""
    return TRAINABLE[options.model].objective(options, device)

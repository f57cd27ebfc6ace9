"""What CompressAI calls its architectures and their parameters, today and in older versions."""

from __future__ import annotations

import re
from collections.abc import Mapping

from npuq.backend import Array
from npuq.errors import ModelError
from npuq.models.factorized import FactorizedParams
from npuq.models.hyperprior import HyperpriorParams, has_means
from npuq.trained.kind import Params
from npuq.trained.kinds import kind_of

CLASSES = {
    "mbt2018-mean": "MeanScaleHyperprior",
    "bmshj2018-hyperprior": "ScaleHyperprior",
    "bmshj2018-factorized": "FactorizedPrior",
}
"""CompressAI's names of the architectures, and of their classes."""

WRAPPERS = ("module", "_orig_mod")  # in names, of DataParallel and of torch.compile
_STACKS = {"analysis": "g_a", "synthesis": "g_s", "hyper_analysis": "h_a", "hyper_synthesis": "h_s"}
_GROUPS = {"H": "matrices", "a": "factors", "b": "biases"}
_FIELDS = {"w": "weight", "b": "bias"}
_OLDER_GROUPS = (  # what older versions call matrices.0 and so on: _matrix0, or _matrices.0
    (re.compile(r"(entropy_bottleneck)\._(?:matrix|matrices\.)(\d+)"), r"\1.matrices.\2"),
    (re.compile(r"(entropy_bottleneck)\._(?:factor|factors\.)(\d+)"), r"\1.factors.\2"),
    (re.compile(r"(entropy_bottleneck)\._(?:bias|biases\.)(\d+)"), r"\1.biases.\2"),
)


def architecture(params: Params) -> str:
    """Which of CLASSES parameters are of.

    Raises:
        ModelError: of none.
    """
    if isinstance(params, FactorizedParams):
        return "bmshj2018-factorized"
    if isinstance(params, HyperpriorParams):
        return "mbt2018-mean" if has_means(params) else "bmshj2018-hyperprior"
    raise ModelError(f"a {kind_of(params).name} model is of no architecture of CompressAI's")


def state_name(ours: str) -> str:
    """CompressAI's name of a parameter: "g_a.2.weight" of "analysis.1.w".

    What stands between convolutions has the odd numbers.
    """
    stack, part, field = ours.split(".")
    if stack in ("density", "hyper_density"):
        return f"entropy_bottleneck.{_GROUPS[part]}.{field}"
    if stack.endswith("_gdn"):
        return f"{_STACKS[stack.removesuffix('_gdn')]}.{2 * int(part) + 1}.{field}"
    return f"{_STACKS[stack]}.{2 * int(part)}.{_FIELDS[field]}"


def current_names(state: Mapping[str, Array]) -> dict[str, Array]:
    """The arrays by the names of today's CompressAI, without those of wrappers.

    Raises:
        ModelError: something is no array, or two are of one name.
    """
    current: dict[str, Array] = {}
    for name, array in state.items():
        if not (hasattr(array, "shape") and hasattr(array, "dtype")):
            raise ModelError(f"{name} of the state dict is {type(array).__name__}, not an array")
        plain = ".".join(part for part in str(name).split(".") if part not in WRAPPERS)
        for older, ours in _OLDER_GROUPS:
            plain = older.sub(ours, plain)
        if plain in current:
            raise ModelError(f"the state dict holds {plain} twice, once as {name}")
        current[plain] = array
    return current

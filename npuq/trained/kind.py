"""What making a model and its file must know of a kind of model (Sec. 5.1).

A kind is a record of functions, so that another one is another record, in a file of its own, and an
entry in `npuq.trained.kinds`. Its functions take parameters of any kind, as a table of kinds asks,
and begin with `as_params`, which refuses those of another one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from npuq.backend import Array
from npuq.coding.tables import IntegerTables
from npuq.nn.nonparametric import NonparametricParams
from npuq.trained.integer_scales import IntegerScales

Params = tuple[object, ...]
"""The parameters of a model: a NamedTuple of arrays and of tuples, see `npuq.nn.parameters`."""

P = TypeVar("P")


class Kind(NamedTuple):
    """A kind of model.

    Attributes:
        name: what files and the command line call it.
        params: the type of its parameters.
        size: (params) -> the widths that reports give, (192,) or (N, M).
        shapes_of: (arrays by name) -> parameters of the shapes that a model of the same widths has,
            which take no memory. Of the arrays only shapes are looked at; KeyError, IndexError or
            ValueError where they are not those of such a model.
        table_count: (params) -> the number of tables of latents.
        tables: (params, phases, medians) -> tables of latents, good at each of the phases.
        density: (params) -> the density of what is quantized about its medians; None where
            everything is quantized about 0.
        hyper_tables: (params, medians) -> tables of hyper-latents; None where there are none.
        scales: (params, thresholds) -> the integer network that finds the table of each latent;
            None where each channel has its own.
        is_halved: whether the files of trained models hold parameters in half precision.
    """

    name: str
    params: type[Params]
    size: Callable[[Params], tuple[int, ...]]
    shapes_of: Callable[[Mapping[str, Array]], Params]
    table_count: Callable[[Params], int]
    tables: Callable[[Params, list[Array], Array | None], IntegerTables]
    density: Callable[[Params], NonparametricParams] | None = None
    hyper_tables: Callable[[Params, Array | None], IntegerTables] | None = None
    scales: Callable[[Params, Array], IntegerScales] | None = None
    is_halved: bool = False


def as_params(params: Params, expected: type[P]) -> P:
    """The parameters themselves, known to be of a type.

    Raises:
        TypeError: they are of another one.
    """
    if not isinstance(params, expected):
        raise TypeError(f"params must be {expected.__name__}, not {type(params).__name__}")
    return params

"""What training must know of a kind of model (Sec. 5.1), and the loss of one as the loop sees it.

A kind that can be trained is a record, so that another one is another record, in a file of its own,
and an entry in `npuq.training.kinds`.

An objective is a loss as a function of parameters, with its gradient. Training moves parameters in
coordinates of its own (`npuq.training.coordinates`); those are called `trained` here, and `model`
are the parameters of the model itself, which is what is saved. A batch is made into arrays once,
`inputs`; everything else is a pure function of parameters and inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

from npuq.backend import Array
from npuq.models.linear import Loss
from npuq.models.noisy_rate import Softness
from npuq.trained.kind import Kind
from npuq.training.settings import Settings

Noise = Callable[[int, tuple[int, ...]], Array]
"""The noise of a tensor, by its number and its shape: uniform, float32, in [-1/2, 1/2)."""

Params = TypeVar("Params")
"""A model's parameters, a tree of arrays (`npuq.nn.parameters`)."""

INIT = 2
"""The stream of randomness within a seed from which initial parameters are drawn."""


class Objective(Protocol[Params]):
    """A model's loss as the loop sees it.

    A Protocol, where `Kind`, `Codec` and `Trainable` are records of functions: there is one of
    these for each kind of model, and an objective for each run, whose settings and whose constants
    on a device it holds. Its parameters are of one type, which a type checker follows.
    """

    def initial(self, model: Params | None) -> Params:
        """Where a run starts, in its coordinates: a given model, or a fresh initialisation.

        Raises:
            ValueError: the model is not what the options say.
        """

    def to_model(self, trained: Params) -> Params:
        """The model's parameters, of those in the run's coordinates."""

    def inputs(self, images: Array, noise: Noise) -> tuple[Array, ...]:
        """The arrays that a loss takes beside parameters, on the host, of uint8 (N, H, W, 3)."""

    def loss(
        self, model: Params, inputs: tuple[Array, ...], lmbda: float, softness: Softness
    ) -> Loss:
        """The loss of Eq. (2) or (21), of a model's parameters."""

    def loss_and_gradient(
        self, trained: Params, inputs: tuple[Array, ...], lmbda: float, softness: Softness
    ) -> tuple[Loss, Params]:
        """The same of parameters in the run's coordinates, and its gradient in these."""

    def group(self, name: str) -> str:
        """The field of `LearningRates` that the parameter of this name follows."""


class Trainable(NamedTuple):
    """A kind of model that can be trained.

    Attributes:
        kind: what else is known of it, its name and the type of its parameters among others.
        objective: (settings, device) -> its loss, with what that needs on a device.
        check_start: (params, settings) -> None; ValueError where a run with these settings cannot
            start from parameters, which are of another kind or size.
        size: (settings) -> the widths of what they train, as `Kind.size` gives them.
        starts: its initial transforms.
        quantizers: what can stand between its encoder and its decoder.
        crop_multiple: what sides of pictures must be multiples of: its coarsest grid of latents.
        preset: that of `npuq.training.presets` by which it is trained where none is named.
        sizes: names of usual values of `Settings.size`.
        own: fields of `Settings` that no other kind looks at.
        unwritten: settings that checkpoints of format 2 did not write, where they were not what
            are the defaults now.
    """

    kind: Kind
    objective: Callable[[Settings, str], Objective[Any]]
    check_start: Callable[[Any, Settings], None]
    size: Callable[[Settings], tuple[int, ...]]
    starts: tuple[str, ...]
    quantizers: tuple[str, ...]
    crop_multiple: int
    preset: str
    sizes: Mapping[str, tuple[int, int]]
    own: tuple[str, ...]
    unwritten: Mapping[str, Any]


def check_kind(model: Any, kind: Kind) -> None:
    """Check that parameters are of a kind of model.

    Raises:
        ValueError: they are of another one.
    """
    if not isinstance(model, kind.params):
        raise ValueError(f"model must be {kind.params.__name__} for the {kind.name} model")

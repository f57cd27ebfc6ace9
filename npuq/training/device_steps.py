"""Steps of a run on a CUDA device: nothing but launches, recorded once and replayed.

All that the device needs lies there: photographs, parameters and Adam's moments, each group of them
as one flat buffer, and a table of what changes from step to step. The host writes the rows of the
next steps into that, has them done, and then fetches their losses: it waits once for all of them.

Kinds of steps that differ in what they launch are recorded one by one; a kind is which softnesses
are 0, whose formulas differ, and lambda.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from npuq.backend import Array, to_array, to_device, to_host
from npuq.coding.noise import uniform_noise
from npuq.kernels.cuda.precision import precision
from npuq.kernels.cuda.softness import numbers_of
from npuq.kernels.rates import fit
from npuq.models.linear import Loss
from npuq.models.noisy_rate import Softness
from npuq.nn.adam import AdamState
from npuq.nn.clipping import REMEMBERED
from npuq.nn.flat import Flat
from npuq.nn.flat_adam import flat_adam
from npuq.nn.parameters import named_arrays, with_arrays
from npuq.nn.rows import keep_losses, take_row
from npuq.runtime.graphs import Graphs
from npuq.runtime.interruptions import interruptions_deferred
from npuq.training.checkpoint import TrainingState
from npuq.training.crops import Resident, cut_crops, largest_reduction, resident
from npuq.training.device_rows import RATES, Row, numbers_of_step
from npuq.training.options import TrainingOptions
from npuq.training.photographs import BatchSource, batches
from npuq.training.random_crops import RandomCrops
from npuq.training.schedules import lmbda_at, softness_at
from npuq.training.step import noise_of_step
from npuq.training.steps import check_finite
from npuq.training.trainable import Objective

STEPS_PER_WAIT = 50
TABLE = 1 << 28  # bytes, at most, of the rows of so many steps


class SoftnessOnDevice(Softness):
    """A softness whose numbers kernels read from the row of the step."""

    numbers: Array


class DeviceSteps:
    """A run whose steps are done on a device."""

    def __init__(
        self,
        state: TrainingState,
        like: Any,
        objective: Objective[Any],
        source: BatchSource,
        options: TrainingOptions,
        stop: int,
        *,
        precision: str = "float32",
        graphs: bool = True,
    ) -> None:
        """Begin at a state, to go on to step `stop` at most.

        Args:
            state: on the host.
            like: any parameters of the model; they give the structure.
            objective: the loss to minimise, with what it needs on the device.
            source: of batches; those of `RandomCrops` are cut on the device.
            options: of the run.
            stop: batches are made up to this step.
            precision: of products, one of `npuq.kernels.cuda.precision.PRECISIONS`.
            graphs: whether steps are recorded.
        """
        self._before, self._objective, self._options = state, objective, options
        self._precision, self._records = precision, graphs
        self._step, self._sums, self._summed = state.step, state.sums, state.summed
        self.graphs = Graphs()
        with self.graphs.stream():
            self._place_parameters(like)
            self._place_batches(source, stop)

    def _place_parameters(self, like: Any) -> None:
        """Parameters, moments and what is counted, on the device."""
        state, self._like = self._before, like
        self._flat = flat = Flat(state.params)

        def placed(arrays: dict[str, Array]) -> Array:
            return to_device(flat.buffer(arrays, np.float32), "cuda")

        self._p, self._m, self._v = map(placed, (state.params, state.adam.m, state.adam.v))
        # an average begins at the parameters
        self._average = to_device(np.zeros(0, np.float32), "cuda")
        if self._options.average_steps:
            self._average = placed(state.average or state.params)
        group = {
            name: np.full(a.shape, RATES.index(self._objective.group(name)), np.uint8)
            for name, a in state.params.items()
        }
        self._group = to_device(flat.buffer(group, np.uint8), "cuda")
        self._g = to_device(np.zeros(flat.size, np.float32), "cuda")
        self._params, self._gradients = flat.views(self._p), flat.views(self._g)
        lengths = np.zeros(REMEMBERED)
        lengths[: len(state.lengths)] = state.lengths
        steps = np.array([state.adam.step, len(state.lengths), state.skipped])
        self._zero = numbers_of(Softness())  # kept, as steps that are replayed read it
        self._lengths, self._steps = to_device(lengths, "cuda"), to_device(steps, "cuda")

    def _place_batches(self, source: BatchSource, stop: int) -> None:
        """Photographs, or room for batches, and the table of rows, on the device."""
        options, first = self._options, self._step
        self._source: RandomCrops | None = None
        if isinstance(source, RandomCrops):
            self._source, images = source, source.photographs.training
            self._images = Resident(*(to_device(a, "cuda") for a in resident(images)))
            shapes = [image.shape[:2] for image in images]
            self._scale = largest_reduction(shapes, source.crop, source.smaller_side[0])
        else:
            self._batches = batches(source, seed=options.seed, first_step=first, stop_step=stop)
        ready = self._arrays_of_step(first) if first < stop else {}
        self._row, self._last = Row(ready), stop
        self._rows = [self._row.written(ready)] if ready else []  # of the steps that come next
        rows = max(1, min(STEPS_PER_WAIT, TABLE // max(self._row.size, 1)))
        table = np.zeros((rows, self._row.size // 4), np.uint32)
        self._table, self._now = to_device(table, "cuda"), to_device(table[0], "cuda")
        self._told = self._row.views(self._now.view(np.uint8))
        self._count = to_device(np.zeros(1, np.int64), "cuda")
        self._losses = to_device(np.zeros((rows, len(Loss._fields))), "cuda")

    def _arrays_of_step(self, step: int) -> dict[str, Array]:
        """All that the device is told of a step."""
        found, options = numbers_of_step(self._options, step), self._options
        if self._source is not None:
            found["choices"] = self._source.choices(seed=options.seed, step=step)
        else:
            found["images"] = next(self._batches)[1]
        if options.noise != "philox":  # NumPy's, of an older run: made on the host
            noise = noise_of_step(options.seed, step, generator=options.noise)
            pixels = np.zeros((options.batch_size, options.crop, options.crop, 3), np.uint8)

            def noted(tensor: int, shape: tuple[int, ...]) -> Array:
                return found.setdefault(f"noise {tensor}", noise(tensor, shape))

            self._objective.inputs(pixels, noted)
        return found

    def advance(self, stop: int) -> list[Loss]:
        """Do some steps; what ends the program waits until they are done.

        Raises:
            TrainingError: a loss is not finite. No parameter has changed since.
        """
        first = self._step
        count = min(stop - first, len(self._table))
        self._make_rows(first, first + count)
        with interruptions_deferred(), self.graphs.stream(), precision(self._precision):
            rows, self._rows = self._rows[:count], self._rows[count:]
            to_array(np.stack(rows).view(np.uint32), self._table[:count])
            self._count.fill(0)
            for step in range(first, first + count):
                self._do(step)
            if self._source is not None:  # while the device is at work; of numbers, which all exist
                self._make_rows(first + count, first + count + len(self._table))
            losses = [Loss(*row) for row in to_host(self._losses)[:count].tolist()]
            self._step, self._summed = self._step + count, self._summed + count
            for loss in losses:
                sums = zip(self._sums, loss, strict=True)
                self._sums = tuple(total + part for total, part in sums)
        for step, loss in enumerate(losses, first):
            check_finite(loss, step, self._options)
        return losses

    def _make_rows(self, begin: int, end: int) -> None:
        """Have the rows of these steps, as far as the run goes; `_rows` begin at `begin`."""
        for step in range(begin + len(self._rows), min(end, self._last)):
            self._rows.append(self._row.written(self._arrays_of_step(step)))

    def _do(self, step: int) -> None:
        lmbda, softness = lmbda_at(self._options, step), softness_at(self._options, step)
        if fit(softness):
            there = SoftnessOnDevice(*softness)
            there.numbers = self._told["softness"]
            softness = there
        if not (self._records and fit(softness)):
            self._launch(lmbda, softness)
            return
        key = lmbda, *(alpha == 0 for alpha in softness.alphas()), *softness[2:]
        self.graphs.call(key, functools.partial(self._launch, lmbda, softness))

    def _launch(self, lmbda: float, softness: Softness) -> None:
        """One step, as launches alone."""
        take_row(self._table, self._count, self._now)
        inputs = self._inputs()
        model = with_arrays(self._like, self._params)
        loss, gradients = self._objective.loss_and_gradient(model, inputs, lmbda, softness)
        self._flat.write(named_arrays(gradients), self._gradients)
        flat_adam(
            self._p, self._g, self._m, self._v, self._average, self._group, self._told["adam"],
            self._lengths, self._steps,
        )  # fmt: skip
        keep_losses(loss.loss, loss.bpp, loss.mse, self._losses, self._count)  # type: ignore[arg-type]

    def _inputs(self) -> tuple[Array, ...]:
        told = self._told
        if self._source is None:
            images = told["images"]
        else:
            crop, scale = self._source.crop, self._scale
            images = cut_crops(self._images, told["choices"], crop=crop, scale=scale)

        def noise(tensor: int, shape: tuple[int, ...]) -> Array:
            if "places" in told:
                return uniform_noise(told["places"][tensor], shape)
            return told[f"noise {tensor}"]

        return self._objective.inputs(images, noise)

    def state(self) -> TrainingState:
        """After the last step, with arrays on the device that no further step changes."""
        with self.graphs.stream():
            p, m, v, average = (
                self._flat.views(a.copy()) if a.size else {}
                for a in (self._p, self._m, self._v, self._average)
            )
            done, seen, skipped = (int(count) for count in to_host(self._steps))
            ring = to_host(self._lengths)
        lengths = self._before.lengths
        if self._options.skip_ratio is not None:
            ring = ring[:seen] if seen <= REMEMBERED else np.roll(ring, -(seen % REMEMBERED))
            lengths = tuple(ring.tolist())
        return self._before._replace(
            step=self._step, params=p, adam=AdamState(done, m, v), average=average,
            sums=self._sums, summed=self._summed, lengths=lengths, skipped=skipped,
        )  # fmt: skip

    def row_made(self, state: TrainingState) -> None:
        """Go on from a state in which a row of figures was made of the sums."""
        self._before, self._sums, self._summed = state, state.sums, state.summed

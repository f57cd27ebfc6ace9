"""The progress of a training on stderr."""

from __future__ import annotations

import math
import sys
from collections import deque
from typing import TYPE_CHECKING, Any

from npuq.cli.common import progress_bar

if TYPE_CHECKING:
    from npuq.models.linear import Loss

AVERAGED_STEPS = 200  # in the figures beside the progress bar
QUIET_INTERVAL = 30.0  # seconds between two states of the bar where stderr is a file


class Progress:
    """A bar with rate and PSNR, as means over the last steps; shown from the first step on."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.recent: deque[Loss] = deque(maxlen=AVERAGED_STEPS)
        self.bar: Any = None

    def __call__(self, step: int, loss: Loss) -> None:
        """Note the loss of a step, after which `step` steps are done."""
        if self.bar is None:
            self.bar = progress_bar(
                total=self.steps,
                initial=step - 1,
                unit="step",
                mininterval=0.2 if sys.stderr.isatty() else QUIET_INTERVAL,
            )
        self.recent.append(loss)
        bpp = sum(loss.bpp for loss in self.recent) / len(self.recent)
        mse = sum(loss.mse for loss in self.recent) / len(self.recent)
        psnr = 10 * math.log10(255**2 / mse)
        self.bar.set_postfix_str(f"{bpp:.3f} bpp, {psnr:.2f} dB", refresh=False)
        self.bar.update()

    def close(self) -> None:
        """Leave the bar as it is and go to the next line."""
        if self.bar is not None:
            self.bar.close()

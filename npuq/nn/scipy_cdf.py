"""Any continuous distribution of SciPy as a CDF module without parameters.

A *CDF module* is anything with `logits(y, params)` and `logits_backward(d_logits, y, params)`:
the modules nonparametric, logistic and normal, and what `from_scipy` makes. They speak of
log(c / (1 - c)) and not of the CDF c, since it keeps full relative precision in both tails, where
c itself rounds to 0 or to 1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from npuq.backend import Array, floats, xp_of


class ScipyCdf(NamedTuple):
    """The CDF module of a frozen distribution; make it by `from_scipy`."""

    distribution: Any

    def logits(self, y: Array, params: None = None) -> Array:
        """log c(y) - log(1 - c(y)), elementwise (SciPy: logcdf, logsf).

        Args:
            y: any shape, on the host.
            params: there are none.

        Returns:
            An array of the shape of `y`; -inf below the distribution's support, inf above.

        Numerics: the range ends where that of SciPy's logarithms does. Where SciPy takes the log of
        sf(y) itself, as for Laplace distributions, the logit loses digits once sf(y) is below
        1e-308 and is inf once it is 0, 745 scales out, as if the support ended there.
        """
        y = _on_host(y)
        return (self.distribution.logcdf(y) - self.distribution.logsf(y)).astype(y.dtype)

    def logits_backward(self, d_logits: Array, y: Array, params: None = None) -> tuple[Array, None]:
        """Gradient of `logits`: p / (c (1 - c)), in logarithms (SciPy: logpdf, logcdf, logsf).

        Returns:
            d_y of the shape of `y`, and None for the parameters.

        Numerics: 0 outside of the support and where the logit is infinite. As good as SciPy's
        logarithms, whose difference it takes in float64: far out in light tails, digits are lost.
        """
        y = _on_host(y)
        log_p = np.asarray(self.distribution.logpdf(y))
        log_cc = self.distribution.logcdf(y) + self.distribution.logsf(y)
        inside = np.isfinite(log_p) & np.isfinite(log_cc)  # -inf - -inf would be NaN
        slope = np.exp(np.where(inside, log_p, -np.inf) - np.where(inside, log_cc, 0))
        return (d_logits * slope).astype(y.dtype), None


def from_scipy(distribution: Any) -> ScipyCdf:
    """The CDF module of a frozen continuous `scipy.stats` distribution (Virtanen et al. 2020).

    Args:
        distribution: such as `scipy.stats.laplace(scale=2.0)`.

    Raises:
        TypeError: it lacks logcdf, logsf or logpdf, as discrete distributions do.
    """
    missing = [f for f in ("logcdf", "logsf", "logpdf") if not hasattr(distribution, f)]
    if missing:
        raise TypeError(f"distribution has no {', '.join(missing)}; give a frozen continuous one")
    return ScipyCdf(distribution)


def _on_host(y: Array) -> Array:
    if xp_of(y) is not np:
        raise TypeError("y must be a NumPy array: SciPy's distributions run on the host")
    return floats(y, "y")

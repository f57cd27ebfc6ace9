"""Settings for all tests: two profiles of Hypothesis, no deadline on a busy machine.

    fast        60 examples of each property, always the same: the default, and what CI runs
    thorough    2,000 examples, others with each seed, some minutes in all:

    python -m pytest -m hypothesis --hypothesis-profile=thorough --hypothesis-seed=1

Both run the explicit examples as well, which hold the hard values (`strategies.each`).
NPUQ_HYPOTHESIS_PROFILE chooses where the command line is out of reach.
"""

import os

from hypothesis import HealthCheck, settings

COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("fast", derandomize=True, max_examples=60, **COMMON)
settings.register_profile("thorough", max_examples=2000, print_blob=True, **COMMON)
settings.load_profile(os.environ.get("NPUQ_HYPOTHESIS_PROFILE", "fast"))

"""Settings for all tests: deterministic hypothesis, no deadline on a busy machine."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "npuq",
    deadline=None,
    derandomize=True,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("npuq")

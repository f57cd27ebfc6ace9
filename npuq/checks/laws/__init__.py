"""The laws, by what they are about; `npuq.checks.catalogue` has them in order."""

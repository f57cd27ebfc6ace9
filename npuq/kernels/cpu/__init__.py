"""Twins for arrays on the host, compiled by Numba; files bear the names of the plain ones."""

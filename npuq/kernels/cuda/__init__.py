"""Twins for arrays on a CUDA device: CUDA C in `.cu` files, launched by modules of the same names.

A module bears the name of the plain function's, its functions bear theirs (`npuq.runtime.twins`).
Nothing here makes the host wait for the device, and no sum depends on the order in which threads
happen to run: the same numbers give the same bits on the same card.
"""

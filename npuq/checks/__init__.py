"""Judging other people's implementations: laws, named mistakes, and the report (`npuq.check`).

A law asks functions of a documented list (`names`) at points that bring faults out, and knows the
answers by other means than ours. Holds no mathematics that anything else in npuq needs, and takes
targets as they are. Decides neither bytes nor bits of training.

The room has the plural, since `npuq.check` is the function.
"""

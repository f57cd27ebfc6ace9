"""Fast twins of plain functions, with their names and arguments.

`cpu` for arrays on the host, compiled by Numba; `cuda` for those on a device, in CUDA C. In `rates`
is what both have in common.

Never holds an idea of its own: each file names the plain one to read. Nothing imports from here by
name: `npuq.runtime.twins` finds a twin when its plain function is called. Decides speed, and the
last bits of float32 in training; what a twin computes is tested against its plain function.
"""

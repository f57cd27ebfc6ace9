"""Several processes at one work, on one machine or many, by MPI.

`mpiexec -n N npuq train ...` starts N processes, the ranks. `launch.world()` is how one of them
finds the others; it gives a `Ranks`, and a process that runs alone gets `ALONE`, whose methods do
nothing and cost nothing. So training and evaluation are written once, for any number of ranks.
mpi4py is imported in `launch` alone, and only where `mpiexec` has started the process.

Never holds what is computed: arrays, numbers and pieces of work have no meaning here. Decides bits
of training, as sums over another number of ranks are rounded otherwise; no bytes of files.
"""

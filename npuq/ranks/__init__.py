"""Several processes at one work, on one machine or many, by MPI.

`mpiexec -n N npuq train ...` starts N processes, the ranks. `launch.world()` is how one of them
finds the others; it gives a `Ranks`, and a process that runs alone gets `ALONE`, whose methods do
nothing and cost nothing. So training and evaluation are written once, for any number of ranks.
mpi4py is imported in `launch` alone, and only where `mpiexec` has started the process.

Never holds what is computed, only how it is divided, sent and added. Decides bits of training: sums
are taken in the order of the ranks, the same bits every time for one number of them. No bytes.
"""

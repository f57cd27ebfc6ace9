"""Fast twins of plain functions, with their names and arguments: `cpu`, compiled by Numba.

Never holds an idea of its own: each file names the plain one to read. Decides speed only; what a
twin computes is tested against its plain function.
"""

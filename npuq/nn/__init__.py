"""What the paper borrows from the field: layers, CDF modules, initialisers, Adam.

The version to read; fast twins are in `npuq.kernels`. Never holds a model or an equation of the
paper. Decides bits of training.
"""

"""The models of Sec. 5.1: parameters, forward and backward.

Never holds a loop of training, or the integers that files are coded with. Decides bits of training;
of bytes, only which coefficients an encoder sends.
"""

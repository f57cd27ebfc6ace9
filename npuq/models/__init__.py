"""The models of Sec. 5.1: parameters, forward and backward."""

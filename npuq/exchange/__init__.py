"""Parameters from and for other people's implementations.

Never holds arithmetic. Decides neither bytes nor bits of training.
"""

"""Files of pictures, and files that are there whole or not at all.

Never holds what the bytes of a compressed file or of a model mean. Decides neither bytes nor bits
of training: what is read is what any reader of the format would read.
"""

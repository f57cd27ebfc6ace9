"""From photographs to a model file: Sec. 5.2.

Never holds a model's arithmetic, which is in `npuq.models`, or anything of compressed files.
Decides bits of training: the same options and seed give the same parameters, whatever the
interruptions.
"""

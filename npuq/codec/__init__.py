"""From pictures to compressed files and back: Sec. 3.2 at test time.

`files` is the door; `quantizer` is universal quantization; each kind of model has a module. Never
holds tables' making or training. Decides bytes: what is coded, in which order, in which streams.
"""

"""From integers to bytes and back: dither, probability tables, arithmetic coder.

Knows neither a model nor the paper's methods; the format of a compressed file is
`npuq.codec.container`. Decides bytes: all that decides a symbol here is integer arithmetic, so that
a file decodes to the same symbols on every machine.
"""

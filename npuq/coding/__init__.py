"""From integers to bytes and back: dither, probability tables, arithmetic coder, file format.

Knows neither a model nor the paper. All that decides a symbol here is integer arithmetic, so that
a file decodes to the same symbols on every machine.
"""

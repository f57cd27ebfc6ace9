"""constriction's two coders under the names of `npuq check`: `in_constriction.py:Range`, `:Ans`.

It makes tables of 24 bits of the probabilities itself. Bytes are its words of 32 bits.
"""

import constriction
import numpy as np

FAMILY = constriction.stream.model.Categorical(perfect=False)


class Range:
    """`constriction.stream.queue`, which decodes first what was encoded first."""

    @staticmethod
    def entropy_encode(symbols, probabilities):
        encoder = constriction.stream.queue.RangeEncoder()
        encoder.encode(symbols.astype(np.int32), FAMILY, probabilities)
        return encoder.get_compressed().tobytes()

    @staticmethod
    def entropy_decode(data, probabilities):
        words = np.frombuffer(data.tobytes(), np.uint32)
        return constriction.stream.queue.RangeDecoder(words).decode(FAMILY, probabilities)


class Ans:
    """`constriction.stream.stack`, which decodes first what was encoded last."""

    @staticmethod
    def entropy_encode(symbols, probabilities):
        coder = constriction.stream.stack.AnsCoder()
        coder.encode_reverse(symbols.astype(np.int32), FAMILY, probabilities)
        return coder.get_compressed().tobytes()

    @staticmethod
    def entropy_decode(data, probabilities):
        words = np.frombuffer(data.tobytes(), np.uint32)
        return constriction.stream.stack.AnsCoder(words).decode(FAMILY, probabilities)

"""Every equation of the paper and nothing else; the files follow the order of the paper.

Read channel, density, soft_round, conditional_mean, expected_gradient, loss: Sections 3 and 4. The
others are Section 2 and the appendices. `README.md` beside them has a row for each equation, the
errata, derivations and the bibliography; `QUESTIONS.md` answers what people ask.

Never holds a model, training or files. Decides bits of training; of bytes, only what a model makes
of it once, before it is saved.
"""

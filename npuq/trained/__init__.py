"""A model that can code: parameters, and the integers made of them once.

    kinds           the one table of kinds of models; linear, hyperprior and factorized are its
                    entries, each a `Kind` (kind.py)
    make            from parameters to a model: phases, density_tables, integer_scales
    model_file      a model as a file, with its checks and its fingerprint
    shipped         the models that come with the package
    methods         the three approaches of Sec. 5.1, and the softness that each has with a model

Never holds what runs at training, or a picture. Decides bytes: all that a decoder needs to find
symbols is made here, when a model is, and kept in its file.
"""

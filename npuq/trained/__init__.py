"""A model that can code: parameters, and the integers made of them once.

Never holds what runs at training, or a picture. Decides bytes: all that a decoder needs to find
symbols is made here, when a model is, and kept in its file.
"""

"""Measuring and showing: metrics, rate and distortion of real files, figures.

Never changes what it measures. Decides neither bytes nor bits of training.
"""

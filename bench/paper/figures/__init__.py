"""The paper's figures from our own runs; `figure.py` beside this folder draws them.

`formulas` (Figs. 1 and 4), `rates` (2A, 3A, 5, 6A and 6B), `courses` (2B, 3B, 5A and 6C) and
`pictures` (7 to 12) draw the panels, `layout` puts them together, `style` is what all share.
"""

"""How fast code is compiled, divided among cores, given memory, and chosen.

Never holds mathematics: nothing here knows what is computed. Decides speed only.
"""

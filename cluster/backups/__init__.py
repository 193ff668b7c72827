"""How is everything that a Windvane keeps put aside, and put back without giving back what was taken away?"""

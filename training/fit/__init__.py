"""How are trees fitted to rows, with which settings?"""

"""Which real data show what Windvane does?"""

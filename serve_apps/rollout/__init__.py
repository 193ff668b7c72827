"""How does a version become champion, and how is it taken back?"""

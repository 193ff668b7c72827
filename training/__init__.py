"""How is a version made?"""

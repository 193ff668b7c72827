"""May the candidate go on?"""

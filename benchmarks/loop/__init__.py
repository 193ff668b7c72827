"""Does the loop heal what it was not tuned to?"""

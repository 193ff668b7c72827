"""What does a whole run look like?"""

"""What does a data file seem to hold, and what of it deserves doubt?"""

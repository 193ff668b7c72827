"""Who can read what is personal in the log, and how is it erased for good?"""

"""Is the log what was written, and who signed it?"""

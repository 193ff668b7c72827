"""What are people told of a score, and what would have changed it?"""

"""What was decided, and who can prove it?"""

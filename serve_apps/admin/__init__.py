"""What does the control API answer, and to whom?"""

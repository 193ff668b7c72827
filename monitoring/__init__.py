"""What do we see of a model, is it wrong, and when is it retrained?"""

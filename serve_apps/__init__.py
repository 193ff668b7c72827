"""How is a request answered, and how is a model's way steered?"""

"""What is registered of a version, and where did it come from?"""

"""How does one version score and explain?"""

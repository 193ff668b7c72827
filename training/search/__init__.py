"""Which settings are tried?"""

"""Which version answers?"""

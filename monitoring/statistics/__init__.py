"""By which formula is something drift, loss or a change?"""

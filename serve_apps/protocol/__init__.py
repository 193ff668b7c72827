"""How are requests and replies written on the wire?"""

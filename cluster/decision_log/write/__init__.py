"""How does a record come to disk before its caller is answered?"""

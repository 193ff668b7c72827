"""May this be done, who said so, and who approved that?"""

"""How does a request come in, from whom, and until when is it worth an answer?"""

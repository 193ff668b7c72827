"""Is a version better than the champion, and how good is it for whom?"""

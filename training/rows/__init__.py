"""Which labelled rows does a version learn from, and which is it judged on?"""

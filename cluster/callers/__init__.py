"""Who calls, and is that known? Keys, bearer tokens, and how fast each caller may ask."""

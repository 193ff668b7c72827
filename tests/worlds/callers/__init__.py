"""Who calls, with keys and tokens."""

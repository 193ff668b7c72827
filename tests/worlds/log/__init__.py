"""A decision log with its checkpoints and vault, and what happens to them."""

"""A rollout's surroundings."""

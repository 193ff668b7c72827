"""The control API's surroundings."""

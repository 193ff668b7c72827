"""One replica's surroundings, requests to it, and what is made of its answers."""

"""Who fits trees, with what share of the cluster?"""

"""What does the cluster tell replicas, and what do they tell it?"""

"""What does control do by the clock?"""

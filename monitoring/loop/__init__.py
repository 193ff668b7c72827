"""When do findings become a retraining?"""

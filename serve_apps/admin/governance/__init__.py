"""How do people change policies and consents?"""

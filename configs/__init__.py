"""What is declared: models, policies, and where a Windvane lives?"""

"""What is counted of decisions and outcomes, and how do counts merge?"""

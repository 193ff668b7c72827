"""What would the loop have done on this history?"""

"""What would the loop have done on a labelled history?"""

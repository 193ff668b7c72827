"""What is our admission worth beside the field's limiter, and beside none?"""

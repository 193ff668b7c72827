"""What is told of an exception, to whom, and where is its traceback kept?"""

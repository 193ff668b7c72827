"""What do all HTTP endpoints take and give?"""

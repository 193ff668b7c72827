"""Who runs a search and a fit: this process, Ray, or whichever pays?"""

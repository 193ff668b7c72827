"""Is a version trained at default settings as good as careful plain models, on tables nobody tuned it to?"""

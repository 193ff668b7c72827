"""How are records found again: sealed in columns, queried, followed as they are written?"""

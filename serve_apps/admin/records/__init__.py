"""How does compliance read, explain and export what was decided?"""

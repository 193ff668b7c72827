"""How are rows read from whatever somebody's table is?"""

"""Replays a labelled history through the whole loop: what would it have done?"""

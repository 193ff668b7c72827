"""Callers with keys and tokens."""

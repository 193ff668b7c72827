"""Margins of a forest: its nodes packed to eight bytes each, and eight trees walked at a time."""

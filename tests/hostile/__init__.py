"""Hostile inputs: rows of a list, variations around them, and what must hold after every single one."""

"""Exact arithmetic: rationals, threshold staircases, integer combinations. Knows of no IR."""

"""Sweeps: many configurations of a network at the cost of few compilations and runs."""

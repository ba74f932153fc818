"""Batches of any size: where samples come from, who runs them, and what is kept of each."""

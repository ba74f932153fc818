"""Mapping as plain mathematics: what a network asks of cores and links, and how it is laid out.

Nothing here knows of IR, ONNX or programs: passes and benchmarks turn what they have into the types
of `graph.py`, ask, and write the answer down. Every solver is seeded, and limited in units of work,
not in seconds, so that the same question has the same answer.
"""

"""Reads ONNX: `model` loads a file, `graph` walks its nodes, `table` names their importers."""

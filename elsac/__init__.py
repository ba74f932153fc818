"""elsac: from a quantized ONNX network to a program for ELSA, and its exact run on an emulator."""

__version__ = "0.1.0"

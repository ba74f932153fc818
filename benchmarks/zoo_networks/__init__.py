"""The standard networks as quantized ONNX files with random weights: workloads, not models."""

"""ONNX graphs, written and run."""

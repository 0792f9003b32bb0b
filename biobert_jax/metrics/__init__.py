"""The official scores, in NumPy and plain Python."""

"""PyTorch's files, loaded without executing pickled code."""

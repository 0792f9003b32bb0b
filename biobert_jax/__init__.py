"""BioBERT in JAX/Flax, for TPU slices."""

__version__ = '0.2.0'

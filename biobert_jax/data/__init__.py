"""Corpora as packed batches, for training. Nothing here imports jax.

One folder per task; `input_pipeline.py` alone imports TensorFlow.

May import: text, io.
"""

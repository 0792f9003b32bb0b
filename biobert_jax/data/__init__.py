"""Files to batches. Nothing here imports jax."""

"""Checkpoints of a run: saved, verified and restored."""

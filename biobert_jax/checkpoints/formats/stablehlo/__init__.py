"""Compiled programs that any JAX can run."""

"""Weights in and out, by one name table."""

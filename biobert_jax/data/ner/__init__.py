"""Corpora of named entities."""

"""Corpora of relations between entities."""

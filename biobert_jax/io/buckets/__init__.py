"""Cloud Storage: paths, requests, whole trees, and local copies.

Callers use `io/storage.py`, which treats local paths and buckets alike.

May import no other room.
"""

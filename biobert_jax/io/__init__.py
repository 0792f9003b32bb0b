"""Bytes in and out of the program: storage, streams, JSON and report pages.

Files are read as bounded streams and appear under their names only when they
are whole.

May import no other room.
"""

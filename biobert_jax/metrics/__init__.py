"""The official scorers, in NumPy and plain Python, and the files they read.

May import: text, io.
"""

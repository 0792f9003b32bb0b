"""Weights of any form (`formats/`): detect, map names, load, verify, export.

May import: models, text, io.
"""

"""Weights of any form: detect, map names, load, verify, export.

`formats/` holds one file for each form.

May import: models, text, io.
"""

"""One `Task` record for each task, and the forward pass that they share.

May import: models, data, metrics, parallel, text, io.
"""

"""Text to entities, relations, answers and vectors.

May import: tasks, checkpoints, parallel, models, data, metrics, text, io.
"""

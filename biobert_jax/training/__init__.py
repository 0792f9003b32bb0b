"""From a config to a work folder: the loop, its steps and its checkpoints.

May import: tasks, checkpoints, parallel, models, data, text, io.
"""

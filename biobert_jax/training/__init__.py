"""From a config to a work folder: the loop, its steps and its checkpoints.

`checkpointing/` saves and restores, `monitoring/` measures and watches.

May import: tasks, checkpoints, parallel, models, data, text, io.
"""

"""The cost of a step on a TPU slice that is not there.

The compiler of the TPU is asked; nothing is run.

May import: training, inference, tasks, parallel, models, text, io.
"""

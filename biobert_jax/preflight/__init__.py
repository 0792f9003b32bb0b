"""The cost of a step on a TPU slice that is not there.

The TPU compiler says; no step is run.

May import: training, inference, tasks, parallel, models, text, io.
"""

"""Experiments of several runs: grids, seeds, folds and tables of results.

Results stand beside the published ones.

May import: training, inference, tasks, data, metrics, text, io.
"""

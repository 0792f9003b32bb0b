"""The official scorers, in NumPy and plain Python, and the files they read.

`evaluate(gold, predicted, bootstrap=resamples, seed=...)` gives a report, with
95 % intervals unless `bootstrap` is 0; `as_dict` is the report for JSON, where
such an interval is [low, high], or None.

May import: text, io.
"""

"""BERT and its heads as Flax modules: pure functions of parameters and arrays.

No data, mesh or config file is known here.

May import no other room.
"""

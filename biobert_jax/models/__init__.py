"""BERT and its heads as Flax modules: pure functions of parameters and arrays.

They know no data, no mesh and no config file. May import no other room.
"""

"""Experiments; `ls configs/` is the list of them."""

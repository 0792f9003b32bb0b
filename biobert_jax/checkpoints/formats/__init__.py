"""One file for each form that weights are stored in."""

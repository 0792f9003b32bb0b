"""The defaults that experiments differ from."""

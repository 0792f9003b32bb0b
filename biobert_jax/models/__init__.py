"""Pure functions of parameters and arrays: no data, mesh or config files."""

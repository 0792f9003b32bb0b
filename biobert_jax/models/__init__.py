"""Pure functions of parameters and arrays; no data, no mesh, no config files."""

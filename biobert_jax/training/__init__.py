"""How parameters change: losses, sharding, optimizer, state, checkpoints."""

"""Device mesh, sharding table, hosts and chips.

The only room that spells the name of a mesh axis.

May import no other room.
"""

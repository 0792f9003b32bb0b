"""Device mesh, sharding table, hosts and chips; only here mesh axes are spelt.

May import no other room.
"""

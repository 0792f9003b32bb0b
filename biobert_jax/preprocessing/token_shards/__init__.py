"""Raw corpora to token shards, in bounded memory, on one machine or many."""

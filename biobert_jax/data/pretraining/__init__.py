"""Token shards, and sentence pairs with masks made of them."""

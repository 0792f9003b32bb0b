"""Every form in which text arrives, and the one detector of them."""

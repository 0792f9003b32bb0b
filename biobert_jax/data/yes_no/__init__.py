"""Questions whose answer is yes, no or maybe."""

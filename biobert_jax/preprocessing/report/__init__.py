"""What a corpus holds and what was dropped, as a page and as JSON."""

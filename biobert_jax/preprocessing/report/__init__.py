"""The report on a corpus: contents and dropped records, as page and JSON."""

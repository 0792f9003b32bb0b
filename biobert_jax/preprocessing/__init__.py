"""Raw downloads to what training reads.

`token_shards/` tokenizes corpora, `bioasq/` converts questions, `report/`
describes a corpus.

May import: data, text, io.
"""

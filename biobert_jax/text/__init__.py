"""Text: WordPiece, vocabularies, sentences and documents with entities.

May import: io.
"""

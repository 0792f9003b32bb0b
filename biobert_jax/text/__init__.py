"""Text: WordPiece, vocabularies, sentences and documents with entities.

`readers/` holds every form in which text arrives, and detects it.

May import: io.
"""

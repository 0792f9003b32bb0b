"""brat: a text and its annotations, `NAME.txt` and `NAME.ann`.

The lines of annotation are read by `text/brat.py`.
https://brat.nlplab.org/standoff
"""

import os
from collections.abc import Iterator
from pathlib import PurePath

from biobert_jax.errors import InputError
from biobert_jax.io.streams import Stream
from biobert_jax.text import brat
from biobert_jax.text.documents import Document
from biobert_jax.text.readers import article


def annotations_of(path: str) -> str:
  """The path of a text's annotations; '' where it has none beside it."""
  beside = os.path.splitext(path)[0] + '.ann'
  return beside if path.endswith('.txt') and os.path.isfile(beside) else ''


def read(stream: Stream, reading: article.Reading) -> Iterator[Document]:
  """The document of a pair; the stream is that of the text, or of the other.

  Raises:
    InputError: one of the two is missing, or an annotation is malformed.
  """
  stem = os.path.splitext(stream.name)[0]
  if not os.path.isfile(f'{stem}.txt'):
    what = f'annotations of brat without their text; put {stem}.txt beside them'
    raise InputError(f'{stem}.ann: {what}')
  name = os.path.splitext(reading.name)[0] or PurePath(stem).name
  yield brat.read_pair(f'{stem}.txt', reading.counts, name)

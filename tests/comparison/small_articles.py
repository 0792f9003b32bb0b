"""Articles for comparisons made small."""

import json
import pathlib
from collections import Counter

from biobert_jax.data.ner import corpus as ner_corpus
from tests.comparison import baseline

SAMPLE = baseline.REPOSITORY / 'biobert_jax' / 'sample' / 'ner'


SENTENCES = 2  # Of an article.


def write_articles(path: pathlib.Path) -> None:
  """The embedded sample's sentences as articles."""
  read = ner_corpus.read_split(SAMPLE, 'train', Counter())
  texts = [' '.join(sentence.tokens) for sentence in read]
  with path.open('w', encoding='utf-8') as file:
    for first in range(0, len(texts), SENTENCES):
      abstract = ' '.join(texts[first : first + SENTENCES])
      row = {'pmid': str(first + 1), 'title': '', 'abstract': abstract}
      file.write(json.dumps(row) + '\n')

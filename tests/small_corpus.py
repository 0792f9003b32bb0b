"""A corpus of a few invented articles, for those who look at shards."""

import json
import pathlib
from typing import Any

from biobert_jax import prepare
from biobert_jax.data.vocabulary import SPECIALS
from biobert_jax.data.wordpiece import WordPieceTokenizer

LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789'
PIECES = (
  *(*SPECIALS, *LETTERS, *(f'##{c}' for c in LETTERS), '.', '(', ')', ','),
  *('the', 'gene', 'is', 'seen', 'in', 'cell', '##s', 'title', 'of', 'a1'),
)
PIECES = tuple(dict.fromkeys(PIECES))
TOKENIZER = WordPieceTokenizer(PIECES, True)


def write_input(folder: pathlib.Path, articles: int = 60) -> str:
  """Two files: articles of which ten come twice, three titles, full texts."""
  folder.mkdir(parents=True, exist_ok=True)
  rows: list[dict[str, Any]] = [
    {
      'pmid': str(i),
      'title': f'Title of {i}.',
      'abstract': 'The gene is seen. ' * (i % 5) + 'In ∑9 cells (the ☃).',
    }
    for i in range(1, articles + 1)
  ]
  full = [
    {
      'pmcid': f'PMC{i}',
      'title': 'The gene.',
      'abstract': 'It is seen. In cells.',
      'body': [{'section': 'Methods', 'text': 'The abc gene. Is seen.'}],
    }
    for i in range(1, 6)
  ]
  titles = [{'pmid': str(1000 + i), 'title': 'Title alone.'} for i in range(3)]
  for name, part in (('a', rows), ('b', rows[:10] + full + titles)):
    lines = (json.dumps(row) for row in part)
    (folder / f'{name}.jsonl').write_text('\n'.join(lines) + '\n')
  return str(folder / '*.jsonl')


def make(folder: pathlib.Path, **options: Any) -> pathlib.Path:
  """The shards of `write_input` in `folder/out`."""
  patterns = [write_input(folder / 'in')]
  output = folder / 'out'
  options = {'workers': 1, 'num_shards': 2, **options}
  prepare.prepare(patterns, output, TOKENIZER, **options)
  return output

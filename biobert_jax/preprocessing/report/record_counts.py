"""The counts of a corpus's input records, as part of its report."""

import collections
import os
import pathlib
from collections.abc import Iterator

from biobert_jax.data.pretraining.manifest import Manifest
from biobert_jax.io.report import Block, Heading, Paragraph, Table
from biobert_jax.preprocessing.token_shards.prepare import DROPPED

_SHOWN = 5  # Ids of each reason.

# Counts of the readers that stand for records, each one article.
_RECORDS = ('pubmed_records', 'full_texts', 'json_lines', 'text_documents')
# Counts of records that were read and then left out.
_SET_ASIDE = ('excluded', 'without text', 'deleted', 'repeated')


def unexplained(manifest: Manifest) -> int:
  """Articles kept minus those that the counts lead to; 0 if they agree."""
  read, counts = manifest['readers'], manifest['counts']
  records = sum(read.get(name, 0) for name in _RECORDS)
  refused = sum(n for k, n in read.items() if k.startswith('dropped_'))
  aside = sum(counts.get(name, 0) for name in _SET_ASIDE)
  return int(counts['articles kept'] - (records - refused - aside))


def blocks(
  manifest: Manifest, directory: str | os.PathLike[str]
) -> Iterator[Block]:
  """The section of the report on records; `directory` holds `dropped.tsv`."""
  read, counts = manifest['readers'], manifest['counts']
  dropped = sorted(name for name in read if name.startswith('dropped_'))
  kept, documents = counts['articles kept'], counts['documents']
  yield Heading('From records to documents')
  rows = [['+', f'{read[k]:,}', _words(k)] for k in _RECORDS if k in read]
  rows += [['−', f'{read[name]:,}', _words(name)] for name in dropped]
  rows += [['−', f'{counts[k]:,}', k] for k in _SET_ASIDE if counts.get(k)]
  rows += [['=', f'{kept:,}', f'articles kept, of {documents:,} documents']]
  yield Table(['', 'articles', 'what'], rows)
  difference = unexplained(manifest)
  yield Paragraph(
    f'These do not add up by {difference:+,}: the shards or the manifest were'
    ' changed after they were written.'
    if difference
    else 'These add up. A document is a title with its abstract, or a section'
    ' of a full text.'
  )
  yield from _named(pathlib.Path(directory, DROPPED))
  within = sorted(read.keys() - {*_RECORDS, *dropped, 'articles'})
  if within:
    yield Heading('Inside records', 3)
    yield Paragraph(
      'Elements that were read, fixed or left out inside records:'
    )
    rows = [[f'{read[k]:,}', _words(k)] for k in within]
    yield Table(['times', 'what'], rows)


def _words(name: str) -> str:
  return name.replace('_', ' ')


def _named(path: pathlib.Path) -> Iterator[Block]:
  """Some of the records that `dropped.tsv` names, by reason."""
  if not path.exists():
    return
  named: collections.Counter[str] = collections.Counter()
  first: dict[str, list[str]] = collections.defaultdict(list)
  with open(path, encoding='utf-8', errors='replace') as file:
    next(file, None)
    for line in file:
      reason, id, *_ = [*line.rstrip('\n').split('\t'), '']
      named[reason] += 1
      if len(first[reason]) < _SHOWN:
        first[reason].append(id)
  if not named:
    return
  yield Heading('Records by name', 3)
  yield Paragraph(
    f'{DROPPED} names these, up to 10,000 of each reason; translated_kept are'
    " kept: PubMed's English of articles in another language."
  )
  rows = [
    [_words(reason), f'{count:,}', ', '.join(first[reason])]
    for reason, count in sorted(named.items())
  ]
  yield Table(['reason', 'named', 'the first'], rows)

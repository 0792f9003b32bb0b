"""brat: a text and its annotations, `NAME.txt` and `NAME.ann`.

Offsets are in code points of the text; a mention may have several fragments
(`T1<TAB>Disease 0 4;5 9<TAB>lung cancer`). https://brat.nlplab.org/standoff
"""

import os
import re
from collections.abc import Iterator
from pathlib import PurePath

from biobert_jax.errors import InputError
from biobert_jax.io import lines as io_lines
from biobert_jax.io.streams import Stream
from biobert_jax.text.documents import Document, Entity, flat
from biobert_jax.text.readers import article

_ENTITY = re.compile(r'T[^\t]*\t(\S+) (\d{1,9} \d{1,9}(?:;\d{1,9} \d{1,9})*)\t')


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
  path, counts = f'{stem}.ann', reading.counts
  if not os.path.isfile(f'{stem}.txt'):
    what = f'annotations of brat without their text; put {stem}.txt beside them'
    raise InputError(f'{path}: {what}')
  text = io_lines.read_text(f'{stem}.txt')
  entities = []
  for number, line in io_lines.read_lines(path, counts):
    if match := _ENTITY.match(line):
      mention = line[match.end() :]
      if entity := _entity(match, mention, text, path, number):
        entities.append(entity)
      else:
        counts['discontinuous_mentions_dropped'] += 1
    elif line.startswith('T'):
      what = 'want T1, tab, TYPE START END, tab, mention'
      raise InputError.at(path, number, f'{what}; got {line[:60]!r}')
    elif line.strip():
      counts['brat_lines_without_mention_skipped'] += 1
  name = f'{reading.name}/{PurePath(stem).name}' if reading.name else ''
  name = name or PurePath(stem).name
  yield Document(name, text, tuple(entities), path=f'{stem}.txt', line=1)


def _entity(
  match: re.Match[str], mention: str, text: str, path: str, line: int
) -> Entity | None:
  """An entity; None where something stands between its fragments."""
  spans = [
    (int(start), int(end))
    for start, end in (span.split(' ') for span in match[2].split(';'))
  ]
  start, end = spans[0][0], spans[-1][1]
  parts = ' '.join(text[a:b] for a, b in spans)
  if flat(parts) != flat(mention) or not all(
    0 <= a < b <= len(text) for a, b in spans
  ):
    what = f'offsets {match[2]} hold {parts[:60]!r}, not {mention[:60]!r}'
    hint = 'offsets count code points of the text'
    raise InputError.at(path, line, f'{what}: {hint}')
  between = ''.join(
    text[a:b] for (_, a), (b, _) in zip(spans, spans[1:], strict=False)
  )
  if between.strip():
    return None
  return Entity(start, end, match[1], text[start:end])

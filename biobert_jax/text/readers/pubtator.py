"""PubTator: `id|t|title`, `id|a|abstract` and one line per entity or relation.

Offsets are in code points of title, one character, abstract; end exclusive.
"""

import dataclasses
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from biobert_jax.errors import InputError
from biobert_jax.io.lines import read_lines, source_name
from biobert_jax.text.documents import Document, DocumentRelation, Entity, flat

PUBTATOR_LINE = re.compile(r'([^|\t]+)\|([ta])\|')


def is_start(lines: Sequence[str]) -> bool:
  """Whether the first lines of a file are PubTator's.

  Raw text may hold a bar: what follows the first line has to fit, too.
  """
  filled = [line for line in lines if line.strip()]
  first = PUBTATOR_LINE.match(filled[0]) if filled else None
  if not first:
    return False
  follows = lines[lines.index(filled[0]) + 1 :][:1]
  return (
    not follows
    or not follows[0].strip()
    or bool(
      PUBTATOR_LINE.match(follows[0]) or follows[0].startswith(f'{first[1]}\t')
    )
  )


@dataclasses.dataclass
class PubtatorBlock:
  """The lines of one PubTator document, not yet made sense of."""

  id: str
  line: int  # Where it starts.
  # `t` and `a` -> title and abstract.
  parts: dict[str, str] = dataclasses.field(default_factory=dict)
  # Line and fields of each entity and relation.
  rows: list[tuple[int, list[str]]] = dataclasses.field(default_factory=list)

  def document(self, name: str) -> Document:
    """Its text, without entities; `name` is the file's."""
    if 't' not in self.parts:
      what = f'document {self.id} has no `{self.id}|t|` line'
      raise InputError.at(name, self.line, what)
    text, abstract = self.parts['t'], self.parts.get('a', '')
    title_length = len(text) if abstract else None
    if abstract:
      text = f'{text}\n{abstract}'
    return Document(self.id, text, (), title_length, name, self.line)


def pubtator_blocks(
  lines: Iterable[tuple[int, str]], name: str
) -> Iterator[PubtatorBlock]:
  """The documents of PubTator, each with its lines as of `read_lines`."""
  block: PubtatorBlock | None = None
  for number, line in lines:
    match = PUBTATOR_LINE.match(line)
    if block and (not line.strip() or match and match[1] != block.id):
      yield block
      block = None
    if match:
      block = block or PubtatorBlock(match[1], number)
      if match[2] in block.parts or block.rows:
        what = f'document {block.id} has this part already'
        raise InputError.at(name, number, f'{what}: put a blank line between')
      block.parts[match[2]] = line[match.end() :]
    elif line.strip():
      fields = line.split('\t')
      if block is None or fields[0] != block.id:
        what = f'{line[:60]!r} belongs to no document: `id|t|` and `id|a|`'
        raise InputError.at(name, number, f'{what} lines come first')
      block.rows.append((number, fields))
  if block:
    yield block


def is_relation(fields: Sequence[str]) -> bool:
  """Whether the fields of a PubTator line are a relation, not an entity."""
  return len(fields) > 3 and bool(re.fullmatch(r'[A-Za-z][\w:-]*', fields[1]))


def pubtator_relation(
  fields: Sequence[str], counts: Counter[str]
) -> DocumentRelation:
  """The relation of a line; BioRED's fifth column says whether it is new."""
  _count_others(fields[5:], counts)
  extra = {'novel': fields[4]} if any(fields[4:5]) else {}
  return DocumentRelation(fields[1], fields[2], fields[3], extra)


def _count_others(fields: Sequence[str], counts: Counter[str]) -> None:
  if any(fields):
    counts['columns_dropped'] += sum(map(bool, fields))


def iter_pubtator(
  lines: Iterable[tuple[int, str]], name: str, counts: Counter[str]
) -> Iterator[Document]:
  """The documents with all their mentions, nested ones too, and relations."""
  for block in pubtator_blocks(lines, name):
    document = block.document(name)
    entities, relations = [], []
    for number, fields in block.rows:
      if is_relation(fields):
        relations.append(pubtator_relation(fields, counts))
      else:
        entity = pubtator_entity(fields, document.text, name, number, counts)
        entities.append(entity)
    yield dataclasses.replace(
      document, entities=tuple(entities), relations=tuple(relations)
    )


def pubtator_entity(
  fields: Sequence[str], text: str, name: str, line: int, counts: Counter[str]
) -> Entity:
  """The entity of a line, whose mention must be the text at its offsets."""
  if len(fields) < 5 or not all(
    re.fullmatch('[0-9]{1,9}', field) for field in fields[1:3]
  ):
    what = 'want id, start, end, mention, type, separated by tabs'
    raise InputError.at(name, line, f'{what}; got {fields!r:.80}')
  start, end, mention = int(fields[1]), int(fields[2]), fields[3]
  found = text[start:end]
  if flat(found) != mention:
    # One mention of the NCBI corpus carries blanks that its offsets leave out.
    trimmed = found.rstrip()
    if flat(trimmed) != mention.rstrip():
      what = f'offsets {start} to {end} hold {found[:60]!r}, not'
      hint = 'offsets count code points of title, one blank, abstract'
      raise InputError.at(name, line, f'{what} {mention[:60]!r}: {hint}')
    counts['mentions_with_trailing_blanks'] += 1
    found, end = trimmed, start + len(trimmed)
  if not found or end > len(text):
    what = f'{start} to {end} is not inside a text of {len(text)} characters'
    raise InputError.at(name, line, what)
  _count_others(fields[7:], counts)
  concept, names = [*fields[5:7], '', ''][:2]
  extra = {'individual_mentions': names} if names else {}
  return Entity(start, end, fields[4], found, 1.0, concept, extra)


def read_pubtator(
  path: str | os.PathLike[str], counts: Counter[str]
) -> list[Document]:
  """All documents of a PubTator file; the first of each id.

  `counts` takes `mentions_with_trailing_blanks`, `columns_dropped` (beyond the
  seventh) and `repeated_documents_dropped` (the NCBI training file holds one).
  Any other departure from the form is an InputError.
  """
  documents: dict[str, Document] = {}
  name = source_name(path)
  for document in iter_pubtator(read_lines(path, counts), name, counts):
    if document.id in documents:
      counts['repeated_documents_dropped'] += 1
    documents.setdefault(document.id, document)
  return list(documents.values())

"""brat standoff: ID.txt with ID.ann beside it, and annotation.conf.

Read are mentions (`T`), concepts (`N1 Reference T1 MESH:D001241`), relations
(`R`) and notes (`#`, kept as `note`); other lines are counted by their kind. A
mention in several parts is read from its first character to its last
(`discontinuous_mentions`); the parts stay as `fragments`. A concept without a
database is written as `ID:D001241`.
"""

import dataclasses
import os
import pathlib
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator

from biobert_jax.errors import InputError
from biobert_jax.io import storage
from biobert_jax.io.atomic import staged
from biobert_jax.io.lines import read_lines, read_text
from biobert_jax.text.documents import (
  Document,
  DocumentRelation,
  Entity,
  StrPath,
  flat,
  hull,
  mention_ids,
)

_MENTION = re.compile(
  r'(\S+) ([0-9]{1,9} [0-9]{1,9}(?:;[0-9]{1,9} [0-9]{1,9})*)'
)
_RELATION = re.compile(r'(\S+) \S+?:(T\S+) \S+?:(T\S+)\s*')
# BioNLP's tasks have mentions in one file and events in another.
ENDINGS = ('.ann', '.a1', '.a2')


def annotations(text_file: StrPath) -> list[pathlib.Path]:
  """The files of annotation that stand beside a text."""
  path = pathlib.Path(text_file)
  beside = [path.with_suffix(ending) for ending in ENDINGS]
  return [file for file in beside if file.is_file()]


def read_folder(folder: StrPath, counts: Counter[str]) -> Iterator[Document]:
  """The documents of a folder, by name; texts without annotations too."""
  for path in sorted(pathlib.Path(folder).glob('*.txt')):
    yield read_pair(path, counts)


def read_pair(path: StrPath, counts: Counter[str], name: str = '') -> Document:
  """The document of a text and of the annotations beside it."""
  text = read_text(os.fspath(path))
  places: dict[str, int] = {}
  entities: list[Entity] = []
  relations: list[DocumentRelation] = []
  later: list[tuple[str, int, list[str]]] = []
  files = annotations(path)
  if not files:
    counts['texts_without_annotations'] += 1
  for file in files:
    source = os.fspath(file)
    for line, content in read_lines(file, counts):
      fields = content.split('\t')
      if content.startswith('T'):
        if fields[0] in places:
          what = f'two mentions have the id {fields[0]}: number one anew'
          raise InputError.at(source, line, what)
        places[fields[0]] = len(entities)
        entities.append(_entity(fields, text, source, line, counts))
      elif content.strip():
        later.append((source, line, fields))
  for source, line, fields in later:
    _take(fields, places, entities, relations, counts, f'{source}:{line}')
  return Document(
    *(name or pathlib.Path(path).stem, text, tuple(entities)),
    relations=tuple(relations),
    path=os.fspath(path),
    line=1,
  )


def _entity(
  fields: list[str], text: str, name: str, line: int, counts: Counter[str]
) -> Entity:
  match = _MENTION.fullmatch(fields[1]) if len(fields) > 1 else None
  if not match:
    what = 'want T1, tab, Type START END, tab, mention'
    raise InputError.at(name, line, f'{what}; got {fields!r:.80}')
  places = (place.split() for place in match[2].split(';'))
  spans = [(int(start), int(end)) for start, end in places]
  start, end, parts = hull(text, spans)
  mention = ' '.join(text[a:b] for a, b in spans)
  given = fields[2] if len(fields) > 2 else mention
  if (
    end > len(text)
    or any(a >= b for a, b in spans)
    or (' '.join(given.split()) != ' '.join(mention.split()))
  ):
    what = f'{match[2]} holds {mention[:60]!r}, not {given[:60]!r}'
    hint = 'offsets count code points of the text'
    raise InputError.at(name, line, f'{what}: {hint}')
  counts.update({'discontinuous_mentions': 1} if parts else {})
  extra = {'id': fields[0], **({'fragments': parts} if parts else {})}
  return Entity(start, end, match[1], text[start:end], 1.0, '', extra)


def _take(
  fields: list[str],
  places: dict[str, int],
  entities: list[Entity],
  relations: list[DocumentRelation],
  counts: Counter[str],
  where: str,
) -> None:
  """Takes a line that may speak of mentions of any other line."""
  kind, said = fields[0][:1], fields[1] if len(fields) > 1 else ''
  what, *rest = said.split(' ', 2)
  target = rest[0] if rest else ''
  if kind == 'R':
    match = _RELATION.fullmatch(said)
    missing = (
      [id for id in match.groups()[1:] if id not in places] if match else []
    )
    if not match or missing:
      fault = (
        f'no mention {missing[0]}' if missing else 'want Type Arg1:T1 Arg2:T2'
      )
      raise InputError(f'{where}: {fault}; got {said[:60]!r}: fix the line')
    ends = places[match[2]], places[match[3]]
    relations.append(DocumentRelation(match[1], *ends))
  elif kind == 'N' and target in places and (concept := _concept(rest)):
    entity = entities[places[target]]
    concepts = [entity.concept] if entity.concept else []
    entities[places[target]] = dataclasses.replace(
      entity, concept='|'.join([*concepts, concept])
    )
  elif kind == '#' and target in places and len(fields) > 2:
    entity = entities[places[target]]
    note = {'note': fields[2], **entity.extra}
    entities[places[target]] = dataclasses.replace(entity, extra=note)
  else:
    names = {'E': 'events', 'A': 'attributes', 'M': 'attributes', '*': 'sets'}
    names |= {'N': 'references'}
    counts[f'brat_{names.get(kind, "other_lines")}_dropped'] += 1


def _concept(words: list[str]) -> str:
  """The concept of a reference, `T1 MESH:D001241`; '' where it is missing."""
  return words[1].strip().removeprefix('ID:') if len(words) > 1 else ''


def write(documents: Iterable[Document], path: StrPath) -> None:
  """Writes a folder of ID.txt and ID.ann, one pair a document.

  A mention that runs over a line end becomes brat's fragments
  (`T1<TAB>Disease 0 4;5 9<TAB>lung cancer`). In file names and types what is
  not a letter, digit, dot, hyphen or underscore becomes `_`. annotation.conf
  declares the types of entities and relations.

  Raises:
    InputError: the folder is not empty (what lies in it could be somebody's
      annotation), or two ids give one file name.
  """
  target, seen = storage.path(path), dict[str, str]()
  kinds: dict[str, set[str]] = {'entities': set(), 'relations': set()}
  with staged(path) as aside:
    try:
      is_folder = storage.is_dir(target)
      if storage.names(target) if is_folder else storage.exists(target):
        raise InputError(f'{target}: exists; name a new or an empty folder')
      shutil.rmtree(aside, ignore_errors=True)
      aside.mkdir(parents=True)
    except OSError as error:
      raise InputError(f'{target}: cannot write: {error.strerror}') from error
    for document in documents:
      stem = re.sub(r'[^A-Za-z0-9._-]|^\.', '_', document.id) or '_'
      # Some file systems do not tell capitals from small letters.
      if stem.lower() in seen:
        what = f'ids {seen[stem.lower()]!r} and {document.id!r} give one file'
        raise InputError(f'{target}: {what} name; make ids differ')
      seen[stem.lower()] = document.id
      lines = ''.join(_lines(document))
      kinds['entities'] |= {_kind(e.type) for e in document.entities}
      kinds['relations'] |= {_kind(r.type) for r in document.relations}
      for ending, text in (('txt', document.text), ('ann', lines)):
        file = aside / f'{stem}.{ending}'
        file.write_text(text, encoding='utf-8', newline='\n')
    (aside / 'annotation.conf').write_text(_configuration(kinds), 'utf-8')


def _configuration(kinds: dict[str, set[str]]) -> str:
  """The types for brat's editor; without them it shows nothing."""
  relations = (f'{k}\tArg1:<ENTITY>, Arg2:<ENTITY>' for k in kinds['relations'])
  lines = ['[entities]', *sorted(kinds['entities']), '[relations]']
  lines += [*sorted(relations), '[events]', '[attributes]']
  return '\n'.join(lines) + '\n'


def _kind(name: str) -> str:
  return re.sub(r'[^A-Za-z0-9._-]', '_', name) or 'Entity'


def _lines(document: Document) -> Iterator[str]:
  ids = mention_ids(document, 'T[0-9]+')
  concepts, notes = [], []
  for id, entity in zip(ids, document.entities, strict=True):
    parts = entity.extra.get('fragments') or [(entity.start, entity.end)]
    spans = [
      (start + m.start(), start + m.end())
      for start, end in parts
      for m in re.finditer(r'[^\r\n]+', document.text[start:end])
    ]
    places = ';'.join(f'{start} {end}' for start, end in spans)
    mention = ' '.join(document.text[start:end] for start, end in spans)
    yield f'{id}\t{_kind(entity.type)} {places}\t{mention}\n'
    if entity.concept:
      named = re.fullmatch(r'(?!ID:)\w+:\S+', entity.concept)
      concept = entity.concept if named else f'ID:{flat(entity.concept)}'
      concepts.append(f'Reference {id} {concept}\t{mention}\n')
    if note := entity.extra.get('note'):
      notes.append(f'AnnotatorNotes {id}\t{flat(str(note))}\n')
  for letter, lines in (('N', concepts), ('#', notes)):
    yield from (f'{letter}{n}\t{line}' for n, line in enumerate(lines, 1))
  fits = (
    (r.type, ids[r.first], ids[r.second])
    for r in document.relations
    if isinstance(r.first, int) and isinstance(r.second, int)
  )
  for number, (kind, first, second) in enumerate(fits, 1):
    yield f'R{number}\t{_kind(kind)} Arg1:{first} Arg2:{second}\n'

"""Raw corpora of relations -> the files that training reads.

ChemProt, DrugProt, CDR and others become train.tsv, dev.tsv (sentence, label)
and test.tsv (with a header and an index), as BioBERT's code reads them; beside
them pairs_SPLIT.tsv names the mentions behind each row, and counts.json tells
what was read and left out. The formats are detected from the content:

  BioCreative VI (ChemProt, DrugProt): for each split a file of abstracts (id,
  title, abstract), of entities (id, Tn, type, start, end, text) and of
  relations (id, type, Arg1:Tn, Arg2:Tm; in ChemProt's own files id, group, Y
  or N, type, Arg1:Tn, Arg2:Tm, where N is not scored)
  PubTator (CDR, BioRED), BioC, brat, JSON lines of documents; JSON lines of
  sentences as SciBERT has ChemProt: see `annotated_documents.py`

Offsets are in code points. A row that cannot be used is left out and counted
(broken_rows); above a share of a file's rows it is an InputError.
"""

import itertools
import logging
import pathlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from biobert_jax.data import splits as data_splits
from biobert_jax.data.broken_rows import BrokenRows
from biobert_jax.data.relation.candidates import (
  Annotated,
  Mention,
  Relation,
  Row,
  labelled_rows,
)
from biobert_jax.data.relation.pair_words import Placeholders, is_of_type
from biobert_jax.errors import InputError
from biobert_jax.io import lines as io_lines
from biobert_jax.io import storage
from biobert_jax.io.atomic import atomic_write
from biobert_jax.io.json_files import write_json
from biobert_jax.preprocessing import annotated_documents
from biobert_jax.text import documents
from biobert_jax.text.documents import Document, Entity
from biobert_jax.text.readers import any_format

# Part of a file's name -> what it holds. DrugProt misspells its abstracts.
_KINDS = {
  'abstrac': 'abstracts',
  'entit': 'entities',
  'relation': 'relations',
  'gold_standard': 'gold standard',
}
_MENTION = re.compile(r'Arg[12]:(\S+)')

# Kinds of files that are a split by themselves; of several the first is read.
_WHOLE = ('pubtator', 'documents', 'sentences', 'brat')
_SUFFIXES = (
  *('.tsv', '.txt', '.pubtator', '.bioc', '.xml', '.json', '.jsonl', '.ndjson'),
)
_FORMS = (
  'PubTator, BioC, brat, JSON lines of documents or of sentences with '
  '<< one >> and [[ other ]]'
)
_NO_CORPUS = (
  f'no corpus of relations: want {_FORMS}; of files of abstracts, entities '
  'and relations name the folder'
)
_log = logging.getLogger(__name__)

Files = dict[str, pathlib.Path]

NEGATIVE = 'false'
# What the paper's corpora are about; a pair of types is in this order.
TYPES = ('CHEMICAL', 'GENE', 'DISEASE')
FILES = {'train': 'train.tsv', 'devel': 'dev.tsv', 'test': 'test.tsv'}
_PAIR_COLUMNS = (
  *('index', 'document', 'first', 'first_start', 'first_end', 'first_text'),
  *('second', 'second_start', 'second_end', 'second_text', 'label'),
)


def find_splits(source: pathlib.Path) -> dict[str, Files]:
  """Split -> kind -> file of a corpus, by the files' names, at any depth.

  Splits are train, devel, test. A file whose name tells no split is passed
  over, a split without relations left out. One file, or a folder of brat's, is
  the training split where its name tells no other.

  Raises:
    InputError: No such path, several files of a kind, a missing one, or none.
  """
  if source.is_file():
    if not (kind := _kind(source)):
      raise InputError(f'{source}: {_NO_CORPUS}')
    split = data_splits.split_in_name(source.name) or 'train'
    return {split: _complete({kind: [source]})}
  if not source.is_dir():
    raise InputError(f'{source}: no such folder; name an unpacked corpus')
  found: dict[str, dict[str, list[pathlib.Path]]] = {}
  for path in (source, *sorted(source.rglob('*'))):
    split = data_splits.split_in_name(path.name)
    split = split or ('train' if path == source else '')
    if split and (kind := _kind(path)):
      found.setdefault(split, {}).setdefault(kind, []).append(path)
  complete = ((split, _complete(files)) for split, files in found.items())
  splits = {split: files for split, files in complete if files}
  if not splits:
    raise InputError(
      f'{source}: holds no *abstracts*.tsv, *entities*.tsv and *relations*.tsv '
      f'of training, development or test; nor files of them that are {_FORMS}'
    )
  return splits


def _kind(path: pathlib.Path) -> str:
  """The kind of a file or of a folder; '' for what is no part of a corpus."""
  if path.is_dir():
    return 'brat' if any(path.glob('*.ann')) else ''
  suffix = path.suffix.lower()
  if suffix not in _SUFFIXES:
    return ''
  for part, kind in _KINDS.items():
    if part in path.name.lower() and suffix in ('.tsv', '.txt'):
      return kind
  try:
    form = any_format.form_of(path)
  except InputError:
    return ''
  if form == 'json' and annotated_documents.are_sentences(path):
    return 'sentences'
  kinds = dict.fromkeys(('json', 'bioc', 'bioc_json'), 'documents')
  return {'pubtator': 'pubtator', **kinds}.get(form, '')


def _complete(found: dict[str, list[pathlib.Path]]) -> Files:
  """The files that belong together; empty where there are no relations."""
  kinds = [kind for kind in _WHOLE if kind in found]
  relations = next(
    (k for k in ('relations', 'gold standard') if k in found), ''
  )
  if kinds:
    wanted = {kinds[0]: kinds[0]}
  elif relations:
    wanted = {k: k for k in ('abstracts', 'entities')} | {
      'relations': relations
    }
  else:
    return {}
  files: Files = {}
  for name, kind in wanted.items():
    paths = found.get(kind, [])
    if not paths:
      where = found[relations][0]
      raise InputError(f'{where}: no file of {kind} goes with it')
    if len(paths) > 1:
      split = data_splits.split_in_name(paths[0].name)
      what = f'{paths[0].parent}: several files of {split} {kind}'
      raise InputError(f'{what}: keep one of {", ".join(map(str, paths))}')
    files[name] = paths[0]
  others = [str(found[kind][0]) for kind in kinds[1:]]
  if others:
    _log.warning('reading %s; not %s', files[kinds[0]], ', '.join(others))
  return files


def read(
  files: Files, counts: Counter[str], max_broken: float
) -> list[Annotated]:
  """The documents of a split in order; a fraction 0-1 of rows may be broken."""
  if 'pubtator' in files:
    return annotated_documents.read_pubtator(
      files['pubtator'], counts, max_broken
    )
  if whole := files.get('documents') or files.get('brat'):
    return annotated_documents.read_documents(whole, counts, max_broken)
  texts = _texts(files['abstracts'], counts, max_broken)
  mentions = _mentions(files['entities'], texts, counts, max_broken)
  relations = _relations(files['relations'], mentions, counts, max_broken)
  return [
    Annotated(document, tuple(mentions[id].values()), tuple(relations[id]))
    for id, document in texts.items()
  ]


def _take_rows(
  path: pathlib.Path,
  widths: Sequence[int],
  counts: Counter[str],
  max_broken: float,
  take: Callable[[int, list[str]], str],
) -> None:
  """Has each row of a width taken: `take` returns its fault, '' for none."""
  broken, rows = BrokenRows(path, counts), 0
  for line, text in io_lines.read_lines(path, counts):
    if not text.strip():
      counts['blank_lines'] += 1
      continue
    rows += 1
    cells = [cell.strip(' ') for cell in text.split('\t')]
    if len(cells) in widths:
      fault = take(line, cells)
    else:
      fault = f'{len(cells)} columns, not {" or ".join(map(str, widths))}'
    if fault:
      broken.add(line, 'broken_rows', f'{fault}: fix or delete the line')
  broken.check(rows, max_broken)


def _texts(
  path: pathlib.Path, counts: Counter[str], max_broken: float
) -> dict[str, Document]:
  """Id -> title and abstract, joined as PubTator joins them."""
  found: dict[str, Document] = {}

  def take(line: int, cells: list[str]) -> str:
    id, title, abstract = cells
    if id in found:
      counts['repeated_documents_dropped'] += 1
    else:
      text = f'{title}\n{abstract}'
      found[id] = Document(id, text, (), len(title), str(path), line)
    return ''

  _take_rows(path, (3,), counts, max_broken, take)
  if not found:
    raise InputError.at(path, 1, 'the file holds no abstract')
  return found


def _mentions(
  path: pathlib.Path,
  texts: dict[str, Document],
  counts: Counter[str],
  max_broken: float,
) -> dict[str, dict[str, Mention]]:
  """Document -> id -> mention, in the file's order."""
  found: dict[str, dict[str, Mention]] = {id: {} for id in texts}

  def take(line: int, cells: list[str]) -> str:
    owner, id, kind, start, end, text = cells
    if owner not in texts:
      return f'document {owner!r} has no abstract'
    if id in found[owner]:
      return f'document {owner} has a {id} already'
    if fault := _misplaced(texts[owner].text, start, end, text):
      return fault
    entity = Entity(int(start), int(end), kind, text)
    found[owner][id] = Mention(id, entity, frozenset((id,)))
    return ''

  _take_rows(path, (6,), counts, max_broken, take)
  return found


def _misplaced(text: str, start: str, end: str, mention: str) -> str:
  """The fault of offsets; '' if they are valid."""
  if not all(re.fullmatch('[0-9]{1,9}', offset) for offset in (start, end)):
    return f'offsets {start!r} and {end!r} are no numbers'
  found = text[int(start) : int(end)]
  if not mention or documents.flat(found).strip(' ') != mention:
    what = f'offsets {start} to {end} hold {found[:60]!r}, not {mention[:60]!r}'
    return f'{what} (they count code points of title, one blank, abstract)'
  return ''


def _relations(
  path: pathlib.Path,
  mentions: dict[str, dict[str, Mention]],
  counts: Counter[str],
  max_broken: float,
) -> dict[str, list[Relation]]:
  """Document -> its relations, in the file's order."""
  found: dict[str, list[Relation]] = {id: [] for id in mentions}

  def take(line: int, cells: list[str]) -> str:
    owner, kind = cells[:2]
    ends = [_MENTION.fullmatch(cell) for cell in cells[-2:]]
    ids = [match[1] for match in ends if match]
    if owner not in mentions:
      return f'document {owner!r} has no abstract'
    if len(ids) < 2:
      return f'{cells[-2:]} are no arguments like Arg1:T1'
    if unknown := [id for id in ids if id not in mentions[owner]]:
      return f'document {owner} has no entity {unknown[0]}'
    if kind.upper().startswith('CPR:'):  # As the reference spells them.
      kind = kind.lower()
    scored = len(cells) == 4 or cells[2].upper() != 'N'
    found[owner].append(Relation(kind, ids[0], ids[1], scored))
    return ''

  _take_rows(path, (4, 6), counts, max_broken, take)
  return found


def _types_of(annotated: Iterable[Annotated]) -> tuple[str, str]:
  """The two of `TYPES` that a corpus has."""
  names = {m.entity.type for a in annotated for m in a.mentions}
  found = [t for t in TYPES if any(is_of_type(name, t) for name in names)]
  if len(found) != 2:
    raise InputError(
      f'--types: say which two of the types {", ".join(sorted(names))} a pair '
      'is of, such as CHEMICAL GENE'
    )
  return found[0], found[1]


def _write(rows: Sequence[Row], split: str, folder: storage.Place) -> None:
  """Writes the rows of a split, and what stands behind them."""
  lines = [f'{row.pair.text}\t{row.label}\n' for row in rows]
  if split == 'test':
    lines = [f'{i}\t{line}' for i, line in enumerate(lines)]
    lines.insert(0, 'index\tsentence\tlabel\n')
  behind = ['\t'.join(_PAIR_COLUMNS) + '\n']
  for i, row in enumerate(rows):
    cells = [str(i), row.pair.document]
    for mention in (row.pair.first, row.pair.second):
      entity = mention.entity
      text = ' '.join(entity.text.split())
      cells += [mention.id, str(entity.start), str(entity.end), text]
    behind.append('\t'.join([*cells, row.label]) + '\n')
  contents = {FILES[split]: lines, f'pairs_{split}.tsv': behind}
  for name, content in contents.items():
    with atomic_write(folder / name) as file:
      file.writelines(content)


class Choices(NamedTuple):
  """How candidate pairs become rows."""

  types: tuple[str, ...]  # Of a pair, in order; () for those of the corpus.
  relations: tuple[str, ...]  # To be found; () for those the corpus scores.
  markers: bool  # Whether the entities keep their names, inside of markers.
  keep_overlapping: bool  # Whether overlapping mentions make a pair.
  max_broken: float  # Fraction 0-1 of rows that may be broken.
  window: int = 1  # Neighbouring sentences in which a pair may stand.


def prepare(source: str, output: str, choices: Choices) -> dict[str, Any]:
  """Writes the rows of an unpacked corpus; returns their figures and counts.

  `overrides` are the keys of a config that train what was written.
  """
  splits = find_splits(storage.local(source))
  counts = {split: Counter[str]() for split in FILES if split in splits}
  annotated = {
    split: read(splits[split], found, choices.max_broken)
    for split, found in counts.items()
    if 'sentences' not in splits[split]
  }
  types = choices.types or annotated_documents.UNTYPED
  if annotated:
    types = choices.types or _types_of(itertools.chain(*annotated.values()))
  words = Placeholders.from_types(*(name.upper() for name in types))
  made: dict[str, list[Row]] = {}
  for split, found in counts.items():
    if split in annotated:
      made[split] = _rows(annotated[split], found, words, choices)
    else:
      path = splits[split]['sentences']
      made[split] = _sentences(path, found, words, choices)
    found.update(f'rows {row.label}' for row in made[split])
  labels = {row.label for rows in made.values() for row in rows} - {NEGATIVE}
  if not labels:
    raise InputError(
      f'--input {source}: no pair of {" and ".join(types)} has a relation '
      'in one sentence; look at --types and --relations'
    )
  folder = storage.path(output)
  for split, rows in made.items():
    _write(rows, split, folder)
  kept = {split: dict(+found) for split, found in counts.items()}
  write_json(folder / 'counts.json', kept, ascii=True)
  summary = {
    'output': str(folder),
    'entities': 'markers' if choices.markers else 'anonymised',
    'placeholders': [words.first, words.second],
    'joint_placeholders': list(words.joint),
    'labels': [*sorted(labels), NEGATIVE],
  }
  given = _overrides(summary, [*made], choices.window)
  return {**summary, 'overrides': given, 'counts': kept}


def _rows(
  annotated: Sequence[Annotated],
  counts: Counter[str],
  words: Placeholders,
  choices: Choices,
) -> list[Row]:
  found: list[Row] = []
  for document in annotated:
    found += labelled_rows(
      *(document, words, counts),
      wanted=choices.relations,
      negative=NEGATIVE,
      keep_overlapping=choices.keep_overlapping,
      marked=choices.markers,
      window=choices.window,
    )
  return found


def _sentences(
  path: pathlib.Path,
  counts: Counter[str],
  words: Placeholders,
  choices: Choices,
) -> list[Row]:
  found = annotated_documents.read_sentences(
    *(path, counts, choices.max_broken, words, choices.markers)
  )
  wanted = {name.casefold() for name in choices.relations}
  for number, row in enumerate(found):
    if wanted and row.label.casefold() not in wanted:
      counts['pairs_of_unwanted_relations'] += 1
      found[number] = row._replace(label=NEGATIVE)
  return found


def _overrides(
  summary: Mapping[str, Any], splits: Sequence[str], window: int
) -> list[str]:
  """The flags by which any config of relations trains what was written."""
  keys = {
    'dir': summary['output'],
    'labels': ','.join(summary['labels']),
    'negative': NEGATIVE,
    'entities': summary['entities'],
    'placeholders': ','.join(summary['placeholders']),
    'joint_placeholders': ','.join(summary['joint_placeholders']),
    **({'sentence_window': window} if window > 1 else {}),
    'devel_split': 'devel' if 'devel' in splits else '',
    'test_split': 'test' if 'test' in splits else '',
  }
  return [f'--config.data.{key}={value}' for key, value in keys.items()]

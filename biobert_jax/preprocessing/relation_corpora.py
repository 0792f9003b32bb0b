"""Raw corpora of relations -> the files that training reads.

ChemProt, DrugProt and CDR become train.tsv, dev.tsv (sentence, label) and
test.tsv (with a header and an index), as BioBERT's code reads them; beside
them pairs_SPLIT.tsv names the mentions behind each row, and counts.json tells
what was read and left out. Two formats are detected from the content:

  BioCreative VI (ChemProt, DrugProt): for each split a file of abstracts (id,
  title, abstract), of entities (id, Tn, type, start, end, text) and of
  relations (id, type, Arg1:Tn, Arg2:Tm; in ChemProt's own files id, group, Y
  or N, type, Arg1:Tn, Arg2:Tm, where N is not scored)
  PubTator (CDR): entities with concepts, relations between concepts

Offsets are in code points. A row that cannot be used is left out and counted
(broken_rows); above a share of a file's rows it is an InputError.
"""

import itertools
import pathlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
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
from biobert_jax.io.atomic import atomic_write
from biobert_jax.io.json_files import write_json
from biobert_jax.text import documents
from biobert_jax.text.documents import Document, Entity
from biobert_jax.text.readers import pubtator

# Part of a file's name -> what it holds. DrugProt misspells its abstracts.
_KINDS = {
  'abstrac': 'abstracts',
  'entit': 'entities',
  'relation': 'relations',
  'gold_standard': 'gold standard',
}
_MENTION = re.compile(r'Arg[12]:(\S+)')

Files = dict[str, pathlib.Path]

NEGATIVE = 'false'
# What the paper's corpora are about; a pair of types is in this order.
TYPES = ('CHEMICAL', 'GENE', 'DISEASE')
FILES = {'train': 'train.tsv', 'devel': 'dev.tsv', 'test': 'test.tsv'}
_PAIR_COLUMNS = (
  *('index', 'document', 'first', 'first_start', 'first_end', 'first_text'),
  *('second', 'second_start', 'second_end', 'second_text', 'label'),
)


def find_splits(folder: pathlib.Path) -> dict[str, Files]:
  """Split -> kind -> file of a corpus, by the files' names, at any depth.

  Splits are train, devel, test; kinds abstracts, entities, relations; or
  pubtator. A file whose name tells no split is passed over, a split without
  relations left out.

  Raises:
    InputError: No such folder, several files of a kind, a missing one, or none.
  """
  if not folder.is_dir():
    raise InputError(f'{folder}: no such folder; name an unpacked corpus')
  found: dict[str, Files] = {}
  for path in sorted(folder.rglob('*')):
    split = data_splits.split_in_name(path.name)
    kind = _kind(path) if split and path.is_file() else ''
    if not kind:
      continue
    files = found.setdefault(split, {})
    if kind in files:
      what = f'{folder}: several files of {split} {kind}'
      raise InputError(f'{what}: keep one of {files[kind]}, {path}')
    files[kind] = path
  complete = ((split, _complete(files)) for split, files in found.items())
  splits = {split: files for split, files in complete if files}
  if not splits:
    raise InputError(
      f'{folder}: holds no *abstracts*.tsv, *entities*.tsv and *relations*.tsv '
      'of training, development or test, and no PubTator file of them'
    )
  return splits


def _kind(path: pathlib.Path) -> str:
  if path.suffix.lower() not in ('.tsv', '.txt', '.pubtator'):
    return ''
  for part, kind in _KINDS.items():
    if part in path.name.lower():
      return kind
  return 'pubtator' if data_splits.is_pubtator(path) else ''


def _complete(files: Files) -> Files:
  """The files that belong together; empty where there are no relations."""
  if 'pubtator' in files:
    return {'pubtator': files['pubtator']}
  relations = files.get('relations') or files.get('gold standard')
  if relations is None:
    return {}
  for kind in ('abstracts', 'entities'):
    if kind not in files:
      raise InputError(f'{relations}: no file of {kind} goes with it')
  texts = {kind: files[kind] for kind in ('abstracts', 'entities')}
  return texts | {'relations': relations}


def read(
  files: Files, counts: Counter[str], max_broken: float
) -> list[Annotated]:
  """The documents of a split in order; a fraction 0-1 of rows may be broken."""
  if 'pubtator' in files:
    return _read_pubtator(files['pubtator'], counts, max_broken)
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


def _read_pubtator(
  path: pathlib.Path, counts: Counter[str], max_broken: float
) -> list[Annotated]:
  """Documents of PubTator, overlapping mentions and concepts kept."""
  name, broken, rows = str(path), BrokenRows(path, counts), 0
  lines = io_lines.read_lines(path, counts)
  found: dict[str, Annotated] = {}
  for block in pubtator.pubtator_blocks(lines, name):
    document = block.document(name)
    mentions: list[Mention] = []
    relations: list[Relation] = []
    for line, fields in block.rows:
      rows += 1
      try:
        if pubtator.is_relation(fields):
          relations.append(Relation(fields[1], fields[2], fields[3]))
        else:
          entity = pubtator.pubtator_entity(
            fields, document.text, name, line, counts
          )
          # A composite mention has several concepts.
          given = fields[5].split('|') if len(fields) > 5 else []
          concepts = {one.strip() for one in given} - {'', '-', '-1'}
          id = f'T{len(mentions) + 1}'
          mentions.append(Mention(id, entity, frozenset(concepts)))
      except InputError as error:
        what = str(error).removeprefix(f'{name}:{line}: ')
        broken.add(line, 'broken_rows', what)
    if block.id in found:
      counts['repeated_documents_dropped'] += 1
      continue
    found[block.id] = Annotated(document, tuple(mentions), tuple(relations))
  broken.check(rows, max_broken)
  return list(found.values())


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


def _write(rows: Sequence[Row], split: str, folder: pathlib.Path) -> None:
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


def prepare(source: str, output: str, choices: Choices) -> dict[str, Any]:
  """Writes the rows of an unpacked corpus; returns their figures and counts."""
  splits = find_splits(pathlib.Path(source))
  counts: dict[str, Counter[str]] = {}
  annotated: dict[str, list[Annotated]] = {}
  for split in (split for split in FILES if split in splits):
    found = counts[split] = Counter()
    annotated[split] = read(splits[split], found, choices.max_broken)
  types = choices.types or _types_of(itertools.chain(*annotated.values()))
  words = Placeholders.from_types(*(name.upper() for name in types))
  made: dict[str, list[Row]] = {split: [] for split in annotated}
  for split, some in annotated.items():
    for document in some:
      made[split] += labelled_rows(
        document,
        words,
        counts[split],
        wanted=choices.relations,
        negative=NEGATIVE,
        keep_overlapping=choices.keep_overlapping,
        marked=choices.markers,
      )
    counts[split].update(f'rows {row.label}' for row in made[split])
  labels = {row.label for rows in made.values() for row in rows} - {NEGATIVE}
  if not labels:
    raise InputError(
      f'--input {source}: no pair of {" and ".join(types)} has a relation '
      'in one sentence; look at --types and --relations'
    )
  folder = pathlib.Path(output)
  for split, rows in made.items():
    _write(rows, split, folder)
  kept = {split: dict(+found) for split, found in counts.items()}
  write_json(folder / 'counts.json', kept, ascii=True)
  return {
    'output': str(folder),
    'entities': 'markers' if choices.markers else 'anonymised',
    'placeholders': [words.first, words.second],
    'joint_placeholders': list(words.joint),
    'labels': [*sorted(labels), NEGATIVE],
    'counts': kept,
  }

"""The splits of a corpus, found by the names of their files."""

import os
import pathlib
import re
from collections.abc import Hashable, Iterable, Sequence

from biobert_jax.errors import InputError
from biobert_jax.text.readers import any_format

SPLITS = ('train', 'devel', 'train_dev', 'test')
EXTENSIONS = ('tsv', 'txt', 'conll', 'iob', 'iob2', 'pubtator')
# Forms of documents with entities.
_DOCUMENTS = ('pubtator', 'bioc', 'bioc_json', 'json')
# JNLPBA was released as Genia4ERtask1.iob2 and Genia4EReval1.iob2.
_JNLPBA = re.compile(r'Genia4ER(task|eval)\d\.iob2$', re.IGNORECASE)
_STEMS = {'devel': ('devel', 'dev', 'valid')}


def check_split(split: str) -> None:
  """Raises an InputError for a name that is not one of `SPLITS`."""
  if split not in SPLITS:
    raise InputError(f'split {split!r} is not one of {", ".join(SPLITS)}')


def find_split(
  directory: str | os.PathLike[str], split: str
) -> pathlib.Path | None:
  """The one file of a split: `train.tsv`, `dev.txt`, `NCBItestset_corpus.txt`.

  A file named for the split (for devel also dev and valid) with one of
  `EXTENSIONS` comes first; else a file of documents (PubTator, BioC, JSON), a
  folder of brat, or a file of JNLPBA, with the split in its name; else None. An
  InputError: no such folder or split, or several such files.
  """
  folder = pathlib.Path(directory)
  if not folder.is_dir():
    raise InputError(f'{folder}: no such folder; set --config.data.dir')
  check_split(split)
  files = sorted(folder.iterdir())
  stems = _STEMS.get(split, (split,))
  named = {f'{stem}.{ending}' for stem in stems for ending in EXTENSIONS}
  found = [f for f in files if f.name in named and f.is_file()] or [
    f
    for f in files
    if split_in_name(f.name) == split
    and (holds_documents(f) or _JNLPBA.match(f.name))
  ]
  if len(found) > 1:
    names = ', '.join(f.name for f in found)
    what = f'{folder}: several files for {split}: keep one of {names}'
    raise InputError(what)
  return found[0] if found else None


def missing_split(
  directory: str | os.PathLike[str], split: str, extensions: Sequence[str] = ()
) -> InputError:
  """The error for no file of a split, with `extensions` instead of `tsv`."""
  entries = sorted(entry.name for entry in pathlib.Path(directory).iterdir())
  held = ', '.join(entries[:20]) + ', ...' * (len(entries) > 20) or 'nothing'
  what = f'no {split}.tsv'
  if extensions:
    what += f' (or .{", .".join(extensions)})'
  if split in ('devel', 'test'):
    held += f' (--config.data.{split}_split= trains without it)'
  return InputError(f'{directory}: {what}; the folder holds {held}')


def count_overlap(train: Iterable[Hashable], other: Iterable[Hashable]) -> int:
  """How many examples of a split stand in train too."""
  known = set(train)
  return sum(one in known for one in other)


def split_in_name(name: str) -> str:
  """The split that a file's name tells; '' where it tells none, or two."""
  patterns = {'train': 'train', 'devel': 'dev|valid', 'test': 'test'}
  if match := _JNLPBA.match(name):
    return 'train' if match[1] == 'task' else 'test'
  told = [s for s, p in patterns.items() if re.search(p, name, re.IGNORECASE)]
  if told == ['train', 'devel']:
    return 'train_dev'
  return told[0] if len(told) == 1 else ''


def holds_documents(path: pathlib.Path) -> bool:
  """Whether a file, or a folder of brat, holds documents with entities."""
  if path.is_dir():
    return any(path.glob('*.ann'))
  try:
    return any_format.form_of(path) in _DOCUMENTS
  except InputError:
    return False

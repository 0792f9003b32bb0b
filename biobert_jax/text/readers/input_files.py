"""The files that `--input` names: files, folders, patterns, standard input.

Those in a bucket are copied to this machine once, see `io/storage.py`.
"""

import contextlib
import glob
import logging
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from biobert_jax.errors import InputError
from biobert_jax.io import storage, streams
from biobert_jax.text import brat
from biobert_jax.text.documents import Document
from biobert_jax.text.readers import any_format
from biobert_jax.text.readers.article import Notes

_log = logging.getLogger(__name__)
_T = TypeVar('_T')
_SHOWN = 5  # Names of files, or of records, that one message lists.


def find_files(
  patterns: Sequence[str], counts: Counter[str] | None = None
) -> list[str]:
  """The files of `named_files`; of a file in a bucket, its kept copy."""
  return _on_this_machine(list(named_files(patterns, counts)))


def named_files(
  patterns: Sequence[str], counts: Counter[str] | None = None
) -> dict[str, storage.File | None]:
  """The files that paths, folders or patterns (`**` too) name, each once.

  They are sorted within each; `-`, standard input, is one too. Of what a folder
  or pattern names, files that are no text are skipped, counted
  (`files_skipped`) and named in the log: those beside an archive (LICENSE,
  .md5, lists of files), and those of no known ending whose content no reader
  knows. Objects of buckets have their size and generation.

  Raises:
    InputError: a pattern names no file, or none that is text.
  """
  found: dict[str, storage.File | None] = {}
  skipped = set[str]()
  for pattern in patterns:
    files = _matching(pattern)
    if pattern in files:
      found[pattern] = files[pattern]
      continue
    if not files and not glob.has_magic(pattern) and not os.path.isdir(pattern):
      hint = storage.nearest(pattern) or '; check the path'
      raise InputError(f'--input {pattern}: no such file{hint}')
    texts = set(filter(_is_text, files))
    if not texts:
      what = 'no file there is text' if files else 'no file matches'
      hint = f': {", ".join(sorted(files)[:_SHOWN])}' if files else ''
      what = f'--input {pattern!r}: {what}{hint}; check the path'
      raise InputError(what)
    found |= {name: files[name] for name in sorted(texts)}
    skipped |= files.keys() - texts
  kept = without_annotations(found)
  skipped -= found.keys()
  if skipped and counts is not None:
    counts['files_skipped'] += len(skipped)
    some = ', '.join(sorted(skipped)[:_SHOWN])
    more = ', ...' * (len(skipped) > _SHOWN)
    _log.warning(
      '--input: skipped %d files that are no text: %s%s',
      *(len(skipped), some, more),
    )
  return kept


def without_annotations(found: Mapping[str, _T]) -> dict[str, _T]:
  """The files without one of each pair of brat: the text stands for both."""
  return {
    path: file
    for path, file in found.items()
    if not (path.endswith('.ann') and f'{path[:-4]}.txt' in found)
  }


def _matching(pattern: str) -> dict[str, storage.File | None]:
  """The files that a path, a folder or a pattern names."""
  place = storage.path(pattern)
  if isinstance(place, storage.BucketPath):
    found = {str(one.place): one for one in storage.objects_of(place)}
    # As on a disk: what begins with a dot is hidden, unless it is named.
    hidden = {name for name in found if '/.' in name.removeprefix(str(place))}
    return {name: one for name, one in found.items() if name not in hidden}
  if os.path.isdir(pattern):
    pattern = os.path.join(glob.escape(pattern), '**')
  elif pattern == '-' or os.path.exists(pattern):
    return {pattern: None}
  paths = glob.glob(pattern, recursive=True)
  return {path: None for path in paths if not os.path.isdir(path)}


def _on_this_machine(files: Sequence[str]) -> list[str]:
  """The same files; copies of those in buckets, beside their annotations."""
  folders: dict[storage.Place, set[str]] = {}
  places = {file: storage.path(file) for file in files}
  for place in places.values():
    if isinstance(place, storage.BucketPath):
      folders.setdefault(place.parent, set()).add(place.name)
  copies = {}
  for folder, names in folders.items():
    stems = {name.removesuffix('.txt') for name in names if '.txt' in name}
    beside = {
      name
      for name in (storage.names(folder) if stems else ())
      if name.endswith(brat.ENDINGS) and name.rpartition('.')[0] in stems
    }
    copies[folder] = storage.local(folder, names | beside)
  return [
    str(copies[places[file].parent] / places[file].name)
    if places[file].parent in copies
    else file
    for file in files
  ]


def read_documents(
  files: Sequence[str], counts: Counter[str] | None
) -> Iterator[Document]:
  """Documents of the files of `find_files`, read as they come.

  A text that states no id has the number of its line for one, and with several
  files their names before it. The first records that are dropped are named in
  the log; where `counts` is None, nothing is counted or named.
  """
  names = short_names(files) if len(files) > 1 else {}
  with log_dropped(counts is not None) as notes:
    for file in files:
      name = names.get(file, '')
      yield from any_format.read_documents(file, counts, name, notes)


@contextlib.contextmanager
def log_dropped(wanted: bool = True) -> Iterator[Notes]:
  """Gathers a reader's notes; names the first of each reason at the end."""
  found: defaultdict[str, list[str]] = defaultdict(list)
  numbers: Counter[str] = Counter()

  def note(reason: str, place: str) -> None:
    numbers[reason] += 1
    if numbers[reason] <= _SHOWN:
      found[reason].append(place)

  yield note
  for reason, places in found.items() if wanted else ():
    more = ', ...' * (numbers[reason] > _SHOWN)
    _log.warning(
      'input: %d left out (%s): %s%s',
      *(numbers[reason], reason.replace('_', ' '), ', '.join(places), more),
    )


def log_forms(files: Sequence[str]) -> None:
  """Logs how many files there are of each form.

  Raises:
    InputError: one that no reader takes.
  """
  found = Counter(
    any_format.FORMS[any_format.form_of(file)].name
    for file in files
    if os.path.isfile(file) and os.path.getsize(file)
  )
  if found:
    shown = ', '.join(f'{form} {count}' for form, count in found.items())
    _log.info('input: files of %s', shown)


def _is_text(path: str) -> bool:
  told = any_format.is_named_as_text(path)
  if told is not None:
    return told
  try:
    with streams.open_stream(path) as stream:
      return any_format.is_text(stream, path)
  except InputError:
    return False


def short_names(paths: Sequence[str]) -> dict[str, str]:
  """Path -> the end of it that no other path has.

  The ids of texts that state none are made of it: they stay the same where a
  corpus is moved as a whole.
  """
  names: dict[str, str] = {}
  left, length = list(paths), 0
  while left:
    length += 1
    ends = {path: '/'.join(path.split('/')[-length:]) for path in left}
    count = Counter(ends.values())
    names |= ends
    left = [path for path in left if count[ends[path]] > 1]
  return names

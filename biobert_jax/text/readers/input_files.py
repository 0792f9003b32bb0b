"""The files that `--input` names: files, folders, patterns, standard input."""

import contextlib
import glob
import logging
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from biobert_jax.errors import InputError
from biobert_jax.io import streams
from biobert_jax.text.documents import Document
from biobert_jax.text.readers import any_format
from biobert_jax.text.readers.article import Notes

_log = logging.getLogger(__name__)
_SHOWN = 5  # Names of files, or of records, that one message lists.


def find_files(
  patterns: Sequence[str], counts: Counter[str] | None = None
) -> list[str]:
  """The files that paths, folders or patterns (`**` too) name, each once.

  They are sorted within each; `-`, standard input, is one too. Of what a folder
  or pattern names, files that are no text are skipped, counted
  (`files_skipped`) and named in the log: those beside an archive (LICENSE,
  .md5, lists of files), and those of no known ending whose content no reader
  knows.

  Raises:
    InputError: a pattern names no file, or none that is text.
  """
  found, skipped = dict[str, None](), set[str]()
  for pattern in patterns:
    folder = os.path.isdir(pattern)
    if pattern == '-' or (os.path.exists(pattern) and not folder):
      found[pattern] = None
      continue
    if not folder and not glob.has_magic(pattern):
      raise InputError(f'--input {pattern}: no such file; check the path')
    under = os.path.join(glob.escape(pattern), '**') if folder else pattern
    files = {
      path
      for path in glob.glob(under, recursive=True)
      if not os.path.isdir(path)
    }
    texts = set(filter(_is_text, files))
    if not texts:
      what = 'no file there is text' if files else 'no file matches'
      hint = f': {", ".join(sorted(files)[:_SHOWN])}' if files else ''
      what = f'--input {pattern!r}: {what}{hint}; check the path'
      raise InputError(what)
    found |= dict.fromkeys(sorted(texts))
    skipped |= files - texts
  # Of a pair of brat, the text stands for both.
  kept = [
    path
    for path in found
    if not (path.endswith('.ann') and f'{path[:-4]}.txt' in found)
  ]
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

"""The ledger of a protocol, `ledger.jsonl`: itself, then a line a finished run.

A line is appended when its run is scored, by a single write, in a bucket only
if no other process wrote meanwhile; a line that a crash truncated is dropped,
and its run is made again.
"""

import json
import logging
from typing import Any

from biobert_jax.errors import InputError, StorageError, UserError
from biobert_jax.io import storage
from biobert_jax.io.storage import Place

LEDGER_FILE = 'ledger.jsonl'
_log = logging.getLogger(__name__)

Line = dict[str, Any]


class Ledger:
  """The finished runs, by their digests."""

  def __init__(self, path: Place, lines: list[Line]):
    """Use `open_ledger`."""
    self._path = path
    self._file: storage.Lines | None = None
    self._lines = {line['digest']: line for line in lines}

  def __contains__(self, digest: str) -> bool:
    return digest in self._lines

  def __getitem__(self, digest: str) -> Line:
    return self._lines[digest]

  def check(self, corpora: dict[tuple[str, str], str]) -> None:
    """Raises an InputError for another corpus, by digests of stage and fold."""
    for line in self._lines.values():
      now = corpora.get((line['stage'], line['fold']))
      if now not in (None, line['data_sha256']):
        what = f'{self._path}: {line["run"]} was trained on another corpus'
        raise InputError(f'{what}; use a new --workdir')

  @property
  def seconds(self) -> list[float]:
    """The time that each finished run took."""
    return [float(line['seconds']) for line in self._lines.values()]

  def add(self, line: Line) -> None:
    """Appends a run by one write; a StorageError: the disk is full."""
    try:
      self._file = self._file or storage.Lines(self._path)
      self._file.add(_text(line))
      self._file.flush()
    except UserError:
      raise
    except OSError as error:
      what = f'{self._path}: {error.strerror}; free some space'
      raise StorageError(f'{what}, then run the same command again') from error
    self._lines[line['digest']] = line


def _text(record: Line) -> str:
  return json.dumps(record, ensure_ascii=False)


def open_ledger(folder: Place, protocol: dict[str, Any]) -> Ledger:
  """The ledger of a work folder, new or resumed.

  `protocol` are the settings that all its runs share, flat, of JSON values. An
  InputError: the ledger belongs to another protocol, or is damaged.
  """
  path = folder / LEDGER_FILE
  if not storage.exists(path):
    try:
      storage.write(path, _text({'protocol': protocol}) + '\n', match=0)
    except OSError as error:
      raise InputError(f'--workdir {folder}: {error.strerror}') from error
    return Ledger(path, [])
  generation = storage.generation(path)
  there, lines = read(folder)
  drift = [
    f'{key}: {there.get(key)!r} there, {protocol.get(key)!r} now'
    for key in sorted(there.keys() | protocol.keys())
    if there.get(key) != protocol.get(key)
  ]
  if drift:
    what = f'{path}: belongs to another protocol; use a new --workdir'
    raise InputError(f'{what}, or the old values: {"; ".join(drift)}')
  # No truncated line stays.
  whole = [_text(record) + '\n' for record in ({'protocol': there}, *lines)]
  storage.write(path, ''.join(whole), match=generation)
  return Ledger(path, lines)


def _refuse_nonfinite(constant: str) -> None:
  raise InputError(f'a score is {constant}, by which nothing is compared')


def read(folder: Place) -> tuple[dict[str, Any], list[Line]]:
  """(settings that all runs share, the finished runs); else an InputError."""
  path = folder / LEDGER_FILE
  try:
    texts = storage.read_text(path).split('\n')
  except (OSError, UnicodeDecodeError) as error:
    what = 'cannot be read; give a folder of `biobert-jax protocol`'
    raise InputError(f'{path}: {what} ({error})') from error
  records: list[Line] = []
  for number, text in enumerate(texts, 1):
    if not text:
      continue
    try:
      record = json.loads(text, parse_constant=_refuse_nonfinite)
    except InputError as error:
      what = f'{error}; delete this line, and the run is made again'
      raise InputError.at(path, number, what) from None
    except ValueError as error:
      if number == len(texts):  # What follows the last line break.
        _log.warning('%s: dropped a truncated line', path)
        break
      raise InputError.at(path, number, 'not JSON; delete this line') from error
    wanted = 'digest' if records else 'protocol'
    if not isinstance(record, dict) or wanted not in record:
      what = f'holds no {wanted!r}: not written by us'
      raise InputError.at(path, number, what)
    records.append(record)
  if not records:
    raise InputError(f'{path}: is empty; delete it')
  return records[0]['protocol'], records[1:]

"""The ledger of a protocol, `ledger.jsonl`: itself, then a line a finished run.

A line is appended when its run is scored, by a single write; a line that a
crash truncated is dropped, and its run is made again.
"""

import json
import logging
import os
from typing import Any

from etils import epath

from biobert_jax.errors import InputError, StorageError
from biobert_jax.io.atomic import write_text

LEDGER_FILE = 'ledger.jsonl'
_log = logging.getLogger(__name__)

Line = dict[str, Any]


class Ledger:
  """The finished runs, by their digests."""

  def __init__(self, path: epath.Path, lines: list[Line]):
    """Use `open_ledger`."""
    self._path = path
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
      with open(self._path, 'a', encoding='utf-8') as file:
        file.write(_text(line))
        file.flush()
        os.fsync(file.fileno())
    except OSError as error:
      what = f'{self._path}: {error.strerror}; free some space'
      raise StorageError(f'{what}, then run the same command again') from error
    self._lines[line['digest']] = line


def _text(*records: Line) -> str:
  return ''.join(json.dumps(r, ensure_ascii=False) + '\n' for r in records)


def open_ledger(folder: epath.Path, protocol: dict[str, Any]) -> Ledger:
  """The ledger of a work folder, new or resumed.

  `protocol` are the settings that all its runs share, flat, of JSON values. An
  InputError: the ledger belongs to another protocol, or is damaged.
  """
  path = folder / LEDGER_FILE
  if not path.exists():
    try:
      folder.mkdir(parents=True, exist_ok=True)
      write_text(path, _text({'protocol': protocol}))
    except OSError as error:
      raise InputError(f'--workdir {folder}: {error.strerror}') from error
    return Ledger(path, [])
  there, lines = read(folder)
  drift = [
    f'{key}: {there.get(key)!r} there, {protocol.get(key)!r} now'
    for key in sorted(there.keys() | protocol.keys())
    if there.get(key) != protocol.get(key)
  ]
  if drift:
    what = f'{path}: belongs to another protocol; use a new --workdir'
    raise InputError(f'{what}, or the old values: {"; ".join(drift)}')
  write_text(path, _text({'protocol': there}, *lines))  # No truncated line.
  return Ledger(path, lines)


def _refuse_nonfinite(constant: str) -> None:
  raise InputError(f'a score is {constant}, by which nothing is compared')


def read(folder: epath.Path) -> tuple[dict[str, Any], list[Line]]:
  """(settings that all runs share, the finished runs); else an InputError."""
  path = folder / LEDGER_FILE
  try:
    texts = path.read_text(encoding='utf-8').split('\n')
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

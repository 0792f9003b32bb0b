"""Imports and exports: complete or absent, with their checksums.

They hold `biobert_jax.json`, our record of what each is, and `SHA256SUMS`.
"""

import contextlib
import os
import pathlib
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any

from biobert_jax.errors import InputError, disk_full
from biobert_jax.io import storage
from biobert_jax.io.atomic import named_when_full, publish, staged
from biobert_jax.io.checksums import file_sha256
from biobert_jax.io.json_files import read_json

RECORD = 'biobert_jax.json'
SUMS = 'SHA256SUMS'
CARD = 'README.md'
_LICENSE_FILES = ('LICENSE', 'LICENSE.txt')
# The files that may tell a model's licence.
STATES_LICENSE = (RECORD, CARD, *_LICENSE_FILES)
# Characters of a card or licence that are looked at.
_CARD_HEAD = 2**14
_LICENSES = (
  ('apache-2.0', r'Apache License\s+Version 2\.0'),
  ('mit', r'Permission is hereby granted, free of charge'),
)
# The keys that every record has (`pretrained.export_record`).
_KEYS = {
  **dict.fromkeys(('form', 'weights', 'head'), str),
  'labels': list,
  **dict.fromkeys(('settings', 'about'), dict),
}


@contextlib.contextmanager
def publish_folder(
  output: str | os.PathLike[str] | storage.BucketPath,
  overwrite: bool,
  reads: storage.Place | None = None,
) -> Iterator[pathlib.Path]:
  """Gives an empty folder, which is published as `output` if nothing fails.

  For arguments and refusals see `check_output`.
  """
  check_output(output, overwrite, reads)
  place = storage.path(output)
  if isinstance(place, storage.BucketPath):
    with staged(place, last=(SUMS, RECORD)) as aside:
      aside.mkdir()
      yield aside
      _write_sums(aside)
    return
  target = place.resolve()
  # Whose it is: what a killed process left is removed by the next one.
  mine = f'.{target.name}.{socket.gethostname()}-'
  try:
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_left(target.parent, mine)
    made = tempfile.mkdtemp(dir=target.parent, prefix=f'{mine}{os.getpid()}.')
  except OSError as error:
    raise InputError(f'--output {output}: {error.strerror}') from error
  aside = pathlib.Path(made)
  try:
    os.umask(mask := os.umask(0))
    aside.chmod(0o777 & ~mask)
    with named_when_full(output, aside):
      yield aside
      _write_sums(aside)
      publish(aside, target)
  except OSError as error:
    if disk_full(error):
      raise
    why = f'{error.strerror or error}; nothing was left there'
    raise InputError(f'--output {output}: {why}') from error
  finally:
    _remove(aside)


def _remove(folder: pathlib.Path) -> None:
  """Removes a folder, if it is there; threads of a failed write may go on."""
  for _ in range(10 * folder.exists()):
    shutil.rmtree(folder, ignore_errors=True)
    time.sleep(0.1)


def check_output(
  output: str | os.PathLike[str] | storage.BucketPath,
  overwrite: bool,
  reads: storage.Place | None = None,
) -> None:
  """Refuses a place where something stands that should stay.

  `overwrite` lets an import or export be replaced, unless the model comes from
  there: `reads` is its folder.
  """
  if not str(output):
    raise InputError('--output is empty; name a folder')
  given, target = f'--output {output}', storage.path(output)
  is_folder = storage.is_dir(target)
  if not is_folder and storage.exists(target):
    raise InputError(f'{given}: is a file; name a folder')
  if not is_folder or not storage.names(target):
    return
  if not overwrite:
    what = f'{given}: already exists and is not empty'
    raise InputError(f'{what}; choose another, or add --overwrite')
  if not storage.exists(target / RECORD):
    raise InputError(
      f'{given}: is not an import or export of ours, so --overwrite '
      'does not remove it; choose another, or remove it yourself'
    )
  if reads is not None and _lies_in(reads, target):
    raise InputError(f'{given}: the model is read from there; choose another')


def _lies_in(place: storage.Place, folder: storage.Place) -> bool:
  if isinstance(place, pathlib.Path) and isinstance(folder, pathlib.Path):
    return place.resolve().is_relative_to(folder.resolve())
  return isinstance(place, storage.BucketPath) and place.is_relative_to(folder)


def _remove_left(parent: pathlib.Path, mine: str) -> None:
  """Removes folders that processes of this machine left when killed."""
  for path in parent.iterdir():
    pid = path.name.removeprefix(mine).split('.')[0]
    if path.name.startswith(mine) and pid.isdecimal() and not _runs(int(pid)):
      shutil.rmtree(path, ignore_errors=True)


def _runs(pid: int) -> bool:
  try:
    os.kill(pid, 0)
  except OSError as error:  # Another user's cannot be signalled.
    return isinstance(error, PermissionError)
  return True


def list_files(folder: pathlib.Path) -> list[pathlib.Path]:
  """All files below a folder, sorted."""
  return sorted(p for p in folder.rglob('*') if p.is_file())


def _write_sums(folder: pathlib.Path) -> None:
  """Writes `SHA256SUMS`, without the model card: who publishes it edits it."""
  lines = [
    f'{file_sha256(path)}  {path.relative_to(folder).as_posix()}\n'
    for path in list_files(folder)
    if path != folder / CARD
  ]
  (folder / SUMS).write_text(''.join(lines), 'utf-8')


def verify(folder: pathlib.Path) -> bool:
  """Compares a folder with its `SHA256SUMS`; False where there are none."""
  sums = folder / SUMS
  if not sums.is_file():
    return False
  text = sums.read_text('utf-8', errors='replace')
  for number, line in enumerate(text.splitlines(), 1):
    digest, _, name = line.partition('  ')
    inside, path = pathlib.PurePosixPath(name), folder / name
    outside = inside.is_absolute() or '..' in inside.parts
    if not name or not name.isprintable() or outside:
      raise InputError.at(sums, number, f'not a checksum of a file: {line!r}')
    if not path.is_file():
      message = f'{path}: missing, though {SUMS} lists it; copy it again'
      raise InputError(message)
    if file_sha256(path) != digest:
      message = f'{path}: differs from its checksum in {SUMS}; copy it again'
      raise InputError(message)
  return True


def license_of(folder: pathlib.Path) -> str:
  """The licence that a model's card or its LICENSE states; '' if unknown.

  It has the name that model hubs give it, such as 'apache-2.0'.
  """
  texts = {}
  for name in (CARD, *_LICENSE_FILES):
    if (path := folder / name).is_file():
      with path.open(encoding='utf-8', errors='replace') as file:
        texts[name] = file.read(_CARD_HEAD)
  card = re.match(r'---\n(.*?)\n---', texts.pop(CARD, ''), re.S)
  stated = re.search(r'^license: *([\w.+-]+) *$', card[1] if card else '', re.M)
  if stated:
    return stated[1]
  found = {
    key for t in texts.values() for key, p in _LICENSES if re.search(p, t)
  }
  return found.pop() if len(found) == 1 else ''


def check_labels(labels: Sequence[Any], path: pathlib.Path) -> None:
  """Refuses names of classes that are empty, not text or not printable."""
  for label in labels:
    if not isinstance(label, str) or not label or not label.isprintable():
      raise InputError(f'{path}: {label!r} is not the name of a class; fix it')


def read_record(folder: pathlib.Path) -> dict[str, Any]:
  """Our record of a folder; empty where there is none."""
  path = folder / RECORD
  record = read_json(path)
  ours = all(isinstance(record.get(key), kind) for key, kind in _KEYS.items())
  if record and not ours:
    raise InputError(f'{path}: not written by us; remove it')
  check_labels(record.get('labels', ()), path)
  return record

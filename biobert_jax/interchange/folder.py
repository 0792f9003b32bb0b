"""Folders that we write: complete or absent, with their checksums.

An import or an export is written aside and renamed when complete. It holds
`biobert_jax.json`, our record of what it is, and `SHA256SUMS`, in the form
that `sha256sum --check` reads.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from biobert_jax.errors import InputError

RECORD = 'biobert_jax.json'
SUMS = 'SHA256SUMS'
# What a record says at least (`weights.record_of`).
_KEYS = {'form', 'weights', 'head', 'labels', 'settings', 'about'}


@contextlib.contextmanager
def written_aside(
  output: str | os.PathLike[str], overwrite: bool
) -> Iterator[pathlib.Path]:
  """Gives an empty folder, which becomes `output` if nothing fails.

  Args:
    output: where the folder is to stand.
    overwrite: whether a folder that is there and not empty is replaced.

  Yields:
    The folder to write to, beside `output`.

  Raises:
    InputError: `output` is there already, or cannot be written.
  """
  target = pathlib.Path(output).expanduser().resolve()
  check_output(target, overwrite)
  try:
    target.parent.mkdir(parents=True, exist_ok=True)
    made = tempfile.mkdtemp(dir=target.parent, prefix=f'.{target.name}.')
  except OSError as error:
    raise InputError(f'--output {output}: {error.strerror}') from error
  aside = pathlib.Path(made)
  try:
    aside.chmod(0o777 & ~_umask())
    yield aside
    write_sums(aside)
    _swap(aside, target)
  except OSError as error:
    raise InputError(
      f'--output {output}: {error.strerror or error}; nothing was left there'
    ) from error
  finally:
    shutil.rmtree(aside, ignore_errors=True)


def check_output(output: str | os.PathLike[str], overwrite: bool) -> None:
  """Refuses a place where a folder stands already.

  Raises:
    InputError: names it.
  """
  target = pathlib.Path(output).expanduser()
  if target.exists() and not target.is_dir():
    raise InputError(f'--output {output}: is a file; name a folder')
  if not overwrite and target.is_dir() and any(target.iterdir()):
    raise InputError(
      f'--output {output}: is there and not empty; choose another, or add '
      '--overwrite'
    )


def _umask() -> int:
  mask = os.umask(0)
  os.umask(mask)
  return mask


def _swap(aside: pathlib.Path, target: pathlib.Path) -> None:
  """Puts `aside` in the place of `target`, whose old files go last."""
  old = aside.with_name(aside.name + '.old')
  if target.is_dir():
    target.rename(old)
  aside.rename(target)
  shutil.rmtree(old, ignore_errors=True)


def files_of(folder: pathlib.Path) -> list[pathlib.Path]:
  """All files below a folder but its checksums, sorted."""
  found = (p for p in folder.rglob('*') if p.is_file())
  return sorted(p for p in found if p != folder / SUMS)


def sha256(path: pathlib.Path) -> str:
  """Digest of a file in hexadecimal."""
  with path.open('rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()


def write_sums(folder: pathlib.Path) -> None:
  """Writes `SHA256SUMS` over all files of a folder."""
  lines = [
    f'{sha256(path)}  {path.relative_to(folder).as_posix()}\n'
    for path in files_of(folder)
  ]
  (folder / SUMS).write_text(''.join(lines), 'utf-8')


def verify(folder: pathlib.Path) -> bool:
  """Compares a folder with its checksums.

  Args:
    folder: one that may hold `SHA256SUMS`.

  Returns:
    Whether there were checksums.

  Raises:
    InputError: names the file, and the tensor where our record has its
      digest, that is missing or differs.
  """
  sums = folder / SUMS
  if not sums.is_file():
    return False
  for number, line in enumerate(sums.read_text('utf-8').splitlines(), 1):
    digest, _, name = line.partition('  ')
    path = folder / name
    if not name or not path.resolve().is_relative_to(folder.resolve()):
      raise InputError.at(sums, number, f'not a checksum of a file: {line!r}')
    if not path.is_file():
      raise InputError(
        f'{path}: missing, though {SUMS} lists it; copy it again'
      )
    if sha256(path) != digest:
      raise InputError(
        f'{path}: differs from its checksum in {SUMS}; copy it again'
      )
  return True


def digest(array: np.ndarray) -> str:
  """SHA-256 of an array's bytes in C order."""
  return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def write_json(path: pathlib.Path, value: Mapping[str, Any]) -> None:
  """Writes a JSON file, keys in the order given."""
  text = json.dumps(value, indent=2, ensure_ascii=False)
  path.write_text(text + '\n', 'utf-8')


def read_json(path: pathlib.Path) -> dict[str, Any]:
  """A JSON object; empty where there is no file.

  Raises:
    InputError: the file is damaged.
  """
  if not path.is_file():
    return {}
  try:
    value = json.loads(path.read_text('utf-8'))
  except ValueError as error:
    raise InputError(f'{path}: not JSON ({error}); copy it again') from error
  if not isinstance(value, dict):
    raise InputError(f'{path}: not a JSON object; copy it again')
  return value


def read_record(folder: pathlib.Path) -> dict[str, Any]:
  """Our record of a folder; empty where there is none.

  Raises:
    InputError: the record is damaged.
  """
  path = folder / RECORD
  record = read_json(path)
  if record and not record.keys() >= _KEYS:
    raise InputError(f'{path}: not written by us; remove it')
  return record

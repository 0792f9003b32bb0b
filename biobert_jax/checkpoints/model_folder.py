"""Folders that we write: complete or absent, with their checksums.

An import or an export is written aside and renamed when complete. It holds
`biobert_jax.json`, our record of what it is, and `SHA256SUMS`, in the form
that `sha256sum --check` reads.
"""

import contextlib
import os
import pathlib
import shutil
import socket
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

from biobert_jax.errors import InputError
from biobert_jax.io.checksums import file_sha256
from biobert_jax.io.json_files import read_json

RECORD = 'biobert_jax.json'
SUMS = 'SHA256SUMS'
CARD = 'README.md'
# The keys that every record has (`pretrained.export_record`).
_KEYS = {
  'form': str,
  'weights': str,
  'head': str,
  'labels': list,
  'settings': dict,
  'about': dict,
}


@contextlib.contextmanager
def publish_folder(
  output: str | os.PathLike[str],
  overwrite: bool,
  reads: pathlib.Path | None = None,
) -> Iterator[pathlib.Path]:
  """Gives an empty folder, which is published as `output` if nothing fails.

  Args:
    output: where the folder is to stand.
    overwrite: whether an import or export that is there is replaced.
    reads: the folder that the model comes from, which must stay.

  Yields:
    The folder to write to, beside `output`.

  Raises:
    InputError: `output` is there already, or cannot be written.
  """
  target = pathlib.Path(output).expanduser().resolve()
  check_output(output, overwrite, reads)
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


def check_output(
  output: str | os.PathLike[str],
  overwrite: bool,
  reads: pathlib.Path | None = None,
) -> None:
  """Refuses a place where something stands that should stay.

  Args:
    output: where a folder is to stand.
    overwrite: whether an import or export that is there may be replaced.
    reads: the folder that the model comes from.

  Raises:
    InputError: names the place and the remedy.
  """
  if not str(output):
    raise InputError('--output is empty; name a folder')
  target = pathlib.Path(output).expanduser().resolve()
  if target.exists() and not target.is_dir():
    raise InputError(f'--output {output}: is a file; name a folder')
  if not target.is_dir() or not any(target.iterdir()):
    return
  if not overwrite:
    raise InputError(
      f'--output {output}: already exists and is not empty; choose another, '
      'or add --overwrite'
    )
  if not (target / RECORD).is_file():
    raise InputError(
      f'--output {output}: is not an import or export of ours, so --overwrite '
      'does not remove it; choose another, or remove it yourself'
    )
  if reads is not None and reads.resolve().is_relative_to(target):
    raise InputError(
      f'--output {output}: the model is read from there; choose another'
    )


def _remove_left(parent: pathlib.Path, mine: str) -> None:
  """Removes folders that processes of this machine left when killed."""
  for path in parent.iterdir():
    pid = path.name.removeprefix(mine).split('.')[0]
    if path.name.startswith(mine) and pid.isdecimal() and not _runs(int(pid)):
      shutil.rmtree(path, ignore_errors=True)


def _runs(pid: int) -> bool:
  try:
    os.kill(pid, 0)
  except ProcessLookupError:
    return False
  except PermissionError:
    pass
  return True


def _umask() -> int:
  mask = os.umask(0)
  os.umask(mask)
  return mask


def _swap(aside: pathlib.Path, target: pathlib.Path) -> None:
  """Puts `aside` in the place of `target`, whose old files go last."""
  old = aside.with_name(aside.name + '.old')
  if target.is_dir():
    target.rename(old)
  try:
    aside.rename(target)
  except OSError:
    if old.is_dir():
      old.rename(target)
    raise
  shutil.rmtree(old, ignore_errors=True)


def list_files(folder: pathlib.Path) -> list[pathlib.Path]:
  """All files below a folder, sorted."""
  return sorted(p for p in folder.rglob('*') if p.is_file())


def write_sums(folder: pathlib.Path) -> None:
  """Writes `SHA256SUMS` over the files of a folder but its model card.

  Whoever publishes a model edits its card.
  """
  lines = [
    f'{file_sha256(path)}  {path.relative_to(folder).as_posix()}\n'
    for path in list_files(folder)
    if path != folder / CARD
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
  text = sums.read_text('utf-8', errors='replace')
  for number, line in enumerate(text.splitlines(), 1):
    digest, _, name = line.partition('  ')
    inside = pathlib.PurePosixPath(name)
    path = folder / name
    outside = inside.is_absolute() or '..' in inside.parts
    if not name or not name.isprintable() or outside:
      raise InputError.at(sums, number, f'not a checksum of a file: {line!r}')
    if not path.is_file():
      raise InputError(
        f'{path}: missing, though {SUMS} lists it; copy it again'
      )
    if file_sha256(path) != digest:
      raise InputError(
        f'{path}: differs from its checksum in {SUMS}; copy it again'
      )
  return True


def check_labels(labels: Sequence[Any], path: pathlib.Path) -> None:
  """Refuses names of classes that are none.

  Raises:
    InputError: one is not text, empty, or holds control characters.
  """
  for label in labels:
    if not isinstance(label, str) or not label or not label.isprintable():
      raise InputError(f'{path}: {label!r} is not the name of a class; fix it')


def read_record(folder: pathlib.Path) -> dict[str, Any]:
  """Our record of a folder; empty where there is none.

  Raises:
    InputError: the record is damaged.
  """
  path = folder / RECORD
  record = read_json(path)
  if record and not all(
    isinstance(record.get(name), kind) for name, kind in _KEYS.items()
  ):
    raise InputError(f'{path}: not written by us; remove it')
  check_labels(record.get('labels', ()), path)
  return record

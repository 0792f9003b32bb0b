"""Checkpoints in an archive (`.tar`, `.tar.gz`, `.tgz`), as BioBERT's come.

An archive can name any path and claim any size, so nothing is written until
all of its members were looked at; and only plain files are.
"""

import contextlib
import gzip
import math
import os
import pathlib
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from typing import Any

from biobert_jax.checkpoints.formats.file_magic import shown, start_of
from biobert_jax.errors import InputError

_ENDINGS = ('.tar', '.tar.gz', '.tgz')
_GZIP = b'\x1f\x8b'
MAX_MEMBERS = 1_000
MAX_BYTES = 32 * 2**30
_MAX_RATIO = 200  # Bytes per packed byte, above 1 GiB; weights hardly shrink.
_MAX_HEADERS = 8 * 2**20  # Bytes of all headers; a member has a few hundred.
_MAX_PADDING = 2**20  # Bytes; tar pads its end with zeros to 10 KiB.
_CHUNK = 2**20  # Bytes copied at a time.

# What the standard library raises for damaged archives.
_DAMAGED = (
  tarfile.TarError,
  EOFError,
  zlib.error,
  gzip.BadGzipFile,
  ValueError,
  OverflowError,
  RecursionError,
)


def is_archive(path: str | os.PathLike[str]) -> bool:
  """Whether a path is named like an archive that `extracted` takes."""
  return pathlib.Path(path).name.lower().endswith(_ENDINGS)


@contextlib.contextmanager
def extracted(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
  """Unpacks an archive into a temporary folder, which goes afterwards.

  Args:
    path: the archive; gzip is told by its bytes, not by its name.

  Yields:
    The folder; where all lies in one inner folder, that one.

  Raises:
    InputError: a damaged or cut archive; a member that is a link, a device
      or outside the folder; more members or bytes than a checkpoint has or
      than the disk takes.
  """
  path = pathlib.Path(path)
  with tempfile.TemporaryDirectory(prefix='biobert_jax_') as made:
    folder = pathlib.Path(made)
    _extract(path, folder)
    yield _inner(folder)


def _extract(path: pathlib.Path, folder: pathlib.Path) -> None:
  packed = start_of(path).startswith(_GZIP)
  try:
    with gzip.open(path) if packed else path.open('rb') as stream:
      bounded = _Bounded(stream, _MAX_HEADERS)
      with tarfile.TarFile(fileobj=bounded) as tar:  # type: ignore[arg-type]
        members = _checked(path, tar, shutil.disk_usage(folder).free)
        bounded.budget = math.inf  # The data, whose sizes are checked.
        for name, member in members.items():
          _unpack(tar, member, folder / name)
  except InputError:
    raise
  except _DAMAGED as error:
    raise InputError(
      f'{path}: cut or damaged, or not a tar archive ({shown(error)}); '
      'download it again'
    ) from error
  except OSError as error:
    raise InputError(
      f'{path}: cannot be unpacked to {folder.parent} ({error.strerror}); '
      'unpack it yourself and give the folder'
    ) from error


class _Bounded:
  """A file that hands out no more than the headers of a checkpoint take.

  tarfile reads long names and sparse maps whole, however long they claim to
  be: a kilobyte of gzip could ask for gigabytes of memory.

  Attributes:
    budget: how many more bytes may be read; those skipped do not count.
  """

  def __init__(self, stream: Any, budget: float) -> None:
    self.budget = budget
    self._stream = stream

  def read(self, size: int) -> bytes:
    if not 0 <= size <= self.budget:
      raise tarfile.ReadError(f'a header claims {size} bytes')
    self.budget -= size
    return self._stream.read(size)

  def seek(self, position: int) -> int:
    return self._stream.seek(position)

  def tell(self) -> int:
    return self._stream.tell()


def _checked(
  path: pathlib.Path, tar: tarfile.TarFile, free: int
) -> dict[str, tarfile.TarInfo]:
  """Looks at every member, and at the end of the archive.

  Returns:
    Relative path -> member, files only, in the order of the archive.
  """
  files: dict[str, tarfile.TarInfo] = {}
  size = 0
  for count, member in enumerate(tar, 1):
    what = f'{path}: member {shown(member.name)}'
    if count > MAX_MEMBERS:
      raise InputError(
        f'{path}: more than {MAX_MEMBERS} members; a checkpoint has a few, '
        'give the archive of one checkpoint'
      )
    name = _relative(what, member)
    if member.isdir():
      continue
    if name in files:
      raise InputError(f'{what} is there twice; pack the checkpoint again')
    if member.size < 0:
      raise InputError(f'{what} has a negative size; download it again')
    size += member.size
    _check_size(what, size, path.stat().st_size, free)
    files[name] = member
  _check_end(tar)
  if not files:
    raise InputError(f'{path}: holds no files; download it again')
  return files


def _check_size(what: str, size: int, packed: int, free: int) -> None:
  """Raises where the files up to a member are more than may be unpacked."""
  if size > MAX_BYTES or size > max(_MAX_RATIO * packed, 2**30):
    raise InputError(
      f'{what} brings the size to {size} bytes, of an archive of {packed}; no '
      'checkpoint unpacks to so much, take it from a source you trust'
    )
  if size > free:
    raise InputError(
      f'{what} brings the size to {size} bytes, and {tempfile.gettempdir()} '
      f'has {free} free; set TMPDIR to a folder on a larger disk'
    )


def _relative(what: str, member: tarfile.TarInfo) -> str:
  """The path of a plain file or folder below the archive's root."""
  if not (member.isreg() or member.isdir()) or member.issparse():
    raise InputError(
      f'{what} is a link, a device or a sparse file, and only plain files are '
      'unpacked; pack the checkpoint with tar --dereference'
    )
  parts = pathlib.PurePosixPath(member.name).parts
  if '..' in parts or member.name.startswith('/') or '\\' in member.name:
    raise InputError(
      f'{what} would be written outside of its folder; take the archive from '
      'a source you trust'
    )
  if '\0' in member.name or (not parts and not member.isdir()):
    raise InputError(f'{what} has no usable name; download the archive again')
  return '/'.join(parts)


def _check_end(tar: tarfile.TarFile) -> None:
  """Raises unless the archive is complete.

  tarfile stops without an error at a cut between two members and at a header
  that is damaged; gzip compares its checksum only at the end of its stream.
  """
  stream: Any = tar.fileobj
  stream.seek(tar.offset)
  if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
    raise tarfile.ReadError('it does not end as an archive does')
  padding = 0
  while chunk := stream.read(_CHUNK):
    padding += len(chunk)
    if padding > _MAX_PADDING or any(chunk):
      raise tarfile.ReadError('something follows its end')


def _unpack(
  tar: tarfile.TarFile, member: tarfile.TarInfo, target: pathlib.Path
) -> None:
  target.parent.mkdir(parents=True, exist_ok=True)
  source = tar.extractfile(member)
  assert source is not None  # Only plain files come here.
  with source, target.open('xb') as file:
    left = member.size
    while left:
      chunk = source.read(min(left, _CHUNK))
      if not chunk:
        raise EOFError(f'{member.name} is cut')
      file.write(chunk)
      left -= len(chunk)


def _inner(folder: pathlib.Path) -> pathlib.Path:
  """The one folder that holds everything, or the root."""
  # macOS adds a `._NAME` beside every file that it packs.
  inside = [p for p in folder.iterdir() if not p.name.startswith('._')]
  if len(inside) == 1 and inside[0].is_dir():
    return inside[0]
  return folder

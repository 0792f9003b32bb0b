"""Verified local copies of objects and folders, one for all of a host.

Below `$BIOBERT_CACHE` (default `~/.cache/biobert_jax`):

    buckets/objects/KEY                  an object of one generation, checked
    buckets/objects/KEY.part             what has come of it so far
    buckets/copies/KEY/BUCKET/NAME       a folder as it was listed: hard links
    buckets/unfinished/KEY/NAME          what will be put into a bucket

What a copy holds never changes: an object of another generation is another
file, and a folder that changed another copy. Processes that want the same
object wait for the one that fetches it.
"""

import contextlib
import errno
import fcntl
import logging
import os
import pathlib
import re
import shutil
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from biobert_jax import errors
from biobert_jax.io import atomic
from biobert_jax.io.buckets import objects, trees
from biobert_jax.io.buckets.bucket_path import SCHEME, BucketPath

VARIABLE = 'BIOBERT_CACHE'
_DEFAULT = '~/.cache/biobert_jax'
_PLACE = '.place'  # Which place a copy is of; no bucket has that name.
_TOLD = 100_000_000  # Bytes of a copy that the log tells of.
_TRIES = 3  # Of a folder that changes while it is read.
_log = logging.getLogger(__name__)


def folder() -> pathlib.Path:
  """Where the copies lie."""
  return pathlib.Path(os.environ.get(VARIABLE) or _DEFAULT).expanduser()


def _copies() -> pathlib.Path:
  return folder() / 'buckets' / 'copies'


def _objects() -> pathlib.Path:
  return folder() / 'buckets' / 'objects'


def shown(text: str) -> str:
  """A text in which paths of copies are the names in their buckets."""
  return re.sub(re.escape(f'{_copies()}/') + r'[0-9a-f]{16}/', SCHEME, text)


def local_copy(
  place: BucketPath, only: Collection[str] | None = None
) -> pathlib.Path:
  """The copy of an object, or of all that lies below a folder.

  `only` are names of objects in the folder; then nothing else is copied, and
  what has no object is passed over.

  Raises:
    BucketMissingError: there is neither.
    InputError: names that cannot be files.
  """
  for left in reversed(range(_TRIES)):
    found = _listed(place) if only is None else _chosen(place, only)
    try:
      return _copy(place, found)
    except (errors.BucketChangedError, errors.BucketMissingError):
      if not left:
        break
  what = 'changes while it is read; run the same command again when it is whole'
  raise errors.BucketError(errno.ESTALE, what, place)


def fetch(place: BucketPath, to: pathlib.Path, match: int | None) -> None:
  """Copies an object to a new file, and checks it; it is not kept here.

  Raises:
    BucketMissingError: there is none.
    BucketChangedError: it is not of the generation `match`.
  """
  one = objects.stat(place)
  if one is None:
    what = 'no such object; check the path'
    raise errors.BucketMissingError(errno.ENOENT, what, place)
  if match not in (None, one.generation):
    what = 'was changed meanwhile; run the same command again'
    raise errors.BucketChangedError(errno.ESTALE, what, place)
  if one.size > shutil.disk_usage(to.parent).free:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(to.parent))
  with open(to, 'x+b') as file:
    objects.download(BucketPath(place.bucket), one, file, lambda _: None)
  if one.encoding == 'gzip':
    _expand(to)


def unfinished(place: BucketPath) -> pathlib.Path:
  """A folder of this disk for what will be at a place, the same each time."""
  return folder() / 'buckets' / 'unfinished' / _digest(place)[:16] / place.name


def _listed(place: BucketPath) -> list[objects.Object]:
  """The object of a name, else those below it."""
  one = objects.stat(place)
  if one is not None and one.size:
    return [one]
  # An empty object may stand for a folder, as some tools make them.
  below = list(objects.objects(place))
  if not below and one is None:
    hint = objects.nearest(place) if place.key else ''
    what = f'no such object or folder{hint or "; check the path"}'
    raise errors.BucketMissingError(errno.ENOENT, what, place)
  return _without_conflicts(place, below) if below else [one] if one else []


def _chosen(folder: BucketPath, only: Collection[str]) -> list[objects.Object]:
  """The objects of some names in a folder."""
  there, _ = objects.children(folder) if only else ((), ())
  found = [one for one in there if one.name.rpartition('/')[2] in only]
  return _without_conflicts(folder, found)


def _without_conflicts(
  place: BucketPath, found: Sequence[objects.Object]
) -> list[objects.Object]:
  """Those that are files of a disk together, else an InputError."""
  folders = {
    one.name[:at]
    for one in found
    for at in (match.start() for match in re.finditer('/', one.name))
  }
  kept = []
  for one in found:
    where = BucketPath(place.bucket, one.name)
    parts = one.name.split('/')
    if not {'', '.', '..'}.isdisjoint(parts) or '\0' in one.name:
      raise errors.InputError(f'{where}: cannot be a file of a disk; rename it')
    if max(len(part.encode()) for part in parts) > 255:
      what = 'has a part of more than 255 bytes, which no disk takes; rename it'
      raise errors.InputError(f'{where}: {what}')
    if one.name in folders:
      if one.size:
        what = 'is both an object and a folder, which no disk can hold'
        raise errors.InputError(f'{where}: {what}; rename one of them')
      continue
    kept.append(one)
  return kept


def _digest(*words: object) -> str:
  import hashlib

  text = '\0'.join(map(str, words)).encode()
  return hashlib.sha256(text).hexdigest()


def _file_of(bucket: str, one: objects.Object) -> pathlib.Path:
  return _objects() / _digest(bucket, one.name, one.generation)[:40]


def _copy(place: BucketPath, found: list[objects.Object]) -> pathlib.Path:
  """Fetches what is missing, and links it together."""
  listed = [f'{one.name}\0{one.generation}' for one in found]
  top = _copies() / _digest(place, *listed)[:16]
  there = top / place.bucket / place.key
  if top.exists():
    with contextlib.suppress(OSError):
      os.utime(top)  # When it was last used.
    return there
  try:
    _objects().mkdir(parents=True, exist_ok=True)
    _copies().mkdir(parents=True, exist_ok=True)
    missing = [o for o in found if not _file_of(place.bucket, o).exists()]
    _check_space(place, missing)
    total = sum(one.size for one in missing)
    if total >= _TOLD:  # Off a terminal nothing else shows it.
      what = f'copying {place} to this machine'
      _log.info('%s: %.1f GB, files: %d', what, total / 1e9, len(missing))
    with trees.progress(f'copying {place}', total) as count:
      trees.each(lambda one: _fetch(place, one, count), missing)
    _link(place, found, top)
  except OSError as error:
    if isinstance(error, errors.UserError):
      raise
    raise _refused(place, error) from error
  return there


def _refused(place: BucketPath, error: OSError) -> errors.BucketError:
  what = f'cannot be copied to {folder()} ({error.strerror}); set {VARIABLE} to'
  what = f'{what} a folder of another disk, or free some space: biobert-jax'
  return errors.BucketError(
    error.errno or errno.EIO, f'{what} cache clear', place
  )


def _check_space(place: BucketPath, missing: list[objects.Object]) -> None:
  needed = sum(one.size for one in missing)
  for one in missing:
    with contextlib.suppress(OSError):
      part = _file_of(place.bucket, one).with_suffix('.part')
      needed -= part.stat().st_size
  free = shutil.disk_usage(folder()).free
  if needed > free:
    full = f'{needed / 1e9:.1f} GB are missing, {free / 1e9:.1f} GB are free'
    raise _refused(place, OSError(errno.ENOSPC, full))


def _fetch(place: BucketPath, one: objects.Object, count: Any) -> None:
  """Fetches an object, unless another process did so meanwhile."""
  whole = _file_of(place.bucket, one)
  part = whole.with_suffix('.part')
  while not whole.exists():
    with open(part, 'a+b') as file:
      fcntl.flock(file, fcntl.LOCK_EX)
      # Who held the lock may have renamed the file, or deleted it.
      try:
        if not os.path.samestat(os.fstat(file.fileno()), os.stat(part)):
          continue
      except FileNotFoundError:
        continue
      count(file.seek(0, os.SEEK_END))
      objects.download(BucketPath(place.bucket), one, file, count)
      file.flush()
      os.fsync(file.fileno())
      if one.encoding == 'gzip':
        _expand(part)
      # As old as the object, on every machine.
      os.utime(part, (one.updated, one.updated))
      part.chmod(0o444)
      atomic.publish(part, whole)


def _expand(part: pathlib.Path) -> None:
  """Stored compressed, to be read as if it were not."""
  import gzip

  with (
    atomic.staged(part) as aside,
    gzip.open(part) as packed,
    open(aside, 'wb') as file,
  ):
    shutil.copyfileobj(packed, file)


def _link(
  place: BucketPath, found: list[objects.Object], top: pathlib.Path
) -> None:
  with open(_copies() / 'lock', 'w') as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    if top.exists():
      return
    with atomic.staged(top) as aside:
      aside.mkdir()
      (aside / _PLACE).write_text(str(place), 'utf-8')
      if not found:  # None of the names that are wanted of a folder.
        (aside / place.bucket / place.key).mkdir(parents=True)
      for one in found:
        file = aside / place.bucket / one.name
        file.parent.mkdir(parents=True, exist_ok=True)
        os.link(_file_of(place.bucket, one), file)


class Copy(NamedTuple):
  """A copy that is kept.

  Attributes:
    place: of the object or folder.
    path: where its copy lies.
    files: how many it holds.
    size: in bytes; files that several copies hold count in each.
    used: when it was last read, in seconds since 1970.
  """

  place: BucketPath
  path: pathlib.Path
  files: int
  size: int
  used: float


def copies(below: BucketPath | None = None) -> list[Copy]:
  """The copies of what lies below a place, or all; the last used first."""
  found = []
  for top in _copies().glob('*/'):
    text = (top / _PLACE).read_text('utf-8')
    bucket, _, key = text.removeprefix(SCHEME).partition('/')
    place = BucketPath(bucket, key)
    if below is not None and not place.is_relative_to(below):
      continue
    sizes = [(top / name).stat().st_size for name in trees.files_below(top)]
    size = sum(sizes) - len(text.encode())
    used = top.stat().st_mtime
    found.append(Copy(place, top / bucket / key, len(sizes) - 1, size, used))
  return sorted(found, key=lambda copy: -copy.used)


def clear(below: BucketPath | None = None) -> int:
  """Deletes the copies of what lies below a place, or all; the freed bytes."""
  for copy in copies(below):
    shutil.rmtree(_copies() / copy.path.relative_to(_copies()).parts[0])
  freed = 0
  for file in _objects().glob('*'):
    # The part of an object is locked while it comes.
    with contextlib.suppress(OSError), open(file, 'rb') as opened:
      fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
      status = os.fstat(opened.fileno())
      if status.st_nlink == 1:
        file.unlink()
        freed += status.st_size
  return freed

"""Places of a user, local or in a bucket (gs://), by one set of functions.

Inputs: `local` gives a path of this disk, for a bucket the verified copy of
the object or folder. Outputs: `io/atomic.py`, or `write`, `Lines` and `publish`
here, which go through it. There is no seek and no append: nothing that a
bucket cannot do.
"""

import contextlib
import errno
import fcntl
import fnmatch
import glob as local_glob
import logging
import os
import pathlib
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from biobert_jax.errors import BucketChangedError, BucketError, InputError
from biobert_jax.io import atomic
from biobert_jax.io.atomic import publish
from biobert_jax.io.buckets import cache, objects, trees
from biobert_jax.io.buckets.bucket_path import AnyPath, BucketPath, Place, path
from biobert_jax.io.buckets.cache import shown, unfinished
from biobert_jax.io.buckets.objects import check_writable

__all__ = [
  'AnyPath',
  'BucketPath',
  'File',
  'Lines',
  'Place',
  'add_files',
  'check_writable',
  'exists',
  'fetch',
  'files',
  'generation',
  'glob',
  'is_dir',
  'is_file',
  'local',
  'local_file',
  'move_tree',
  'names',
  'nearest',
  'objects_of',
  'path',
  'publish',
  'read_bytes',
  'read_text',
  'remove',
  'remove_tree',
  'shown',
  'unfinished',
  'write',
]

_MAGIC = frozenset('*?[')
_log = logging.getLogger(__name__)


def local(place: AnyPath, only: Collection[str] | None = None) -> pathlib.Path:
  """A path of this disk with what a place holds.

  A local path is given as it is. An object or folder of a bucket is copied,
  once for all processes of this host, and checked; what the path holds never
  changes. Of a folder in a bucket `only` are the names of files that lie in it:
  no others are copied, and one that is not there is passed over.

  Raises:
    BucketMissingError: the bucket holds neither an object nor a folder there.
  """
  place = path(place)
  if isinstance(place, BucketPath):
    return cache.local_copy(place, only)
  return place


def fetch(place: AnyPath, to: pathlib.Path, match: int | None = None) -> None:
  """Copies an object to a new file of this disk, and checks it; once.

  Raises:
    BucketMissingError: there is none.
    BucketChangedError: it is not of the generation `match`.
  """
  place = path(place)
  if isinstance(place, BucketPath):
    cache.fetch(place, to, match)
  else:
    shutil.copyfile(place, to)


def add_files(
  folder: pathlib.Path, to: BucketPath, last: Sequence[str] = ()
) -> None:
  """Uploads the files of a local folder beside what stands there.

  Those named `last` make the rest valid, and are written last. What a kill
  broke off goes on.

  Raises:
    InputError: an object of the same name has other content.
  """
  trees.add(folder, to, last)


def local_file(place: AnyPath) -> pathlib.Path:
  """As `local`, where a folder is not wanted: it is refused, not copied."""
  place = path(place)
  if isinstance(place, BucketPath) and not is_file(place) and is_dir(place):
    raise InputError(f'{place}: is a folder; name a file')
  return local(place)


def nearest(place: AnyPath) -> str:
  """`; did you mean …?` of a missing name in a bucket; '' of a local one."""
  place = path(place)
  return objects.nearest(place) if isinstance(place, BucketPath) else ''


def is_file(place: AnyPath) -> bool:
  """Whether there is a file or object of this name."""
  place = path(place)
  if isinstance(place, BucketPath):
    return objects.stat(place) is not None
  return place.is_file()


def is_dir(place: AnyPath) -> bool:
  """Whether it is a folder; of a bucket: whether something lies below it."""
  place = path(place)
  if isinstance(place, BucketPath):
    return objects.any_below(place)
  return place.is_dir()


def exists(place: AnyPath) -> bool:
  """Whether it is a file or a folder."""
  place = path(place)
  if isinstance(place, BucketPath):
    return is_file(place) or is_dir(place)
  return place.exists()


def names(folder: AnyPath) -> list[str]:
  """The names in a folder, sorted; [] without one."""
  folder = path(folder)
  if isinstance(folder, BucketPath):
    found, below = objects.children(folder)
    return sorted({*(one.name.rpartition('/')[2] for one in found), *below})
  return sorted(os.listdir(folder)) if folder.is_dir() else []


class File(NamedTuple):
  """A file or object below a folder.

  Attributes:
    place: where it is.
    size: in bytes.
    updated: when it was last written, in seconds since 1970.
    generation: as `generation` gives it.
  """

  place: Place
  size: int
  updated: float
  generation: int


def _file(bucket: str, one: objects.Object) -> File:
  place = BucketPath(bucket, one.name)
  return File(place, one.size, one.updated, one.generation)


def files(folder: AnyPath) -> list[File]:
  """All files below a folder, at any depth; [] without one."""
  folder = path(folder)
  if isinstance(folder, BucketPath):
    return [_file(folder.bucket, one) for one in objects.objects(folder)]
  found = []
  for name in trees.files_below(folder):
    status = (folder / name).stat()
    number = _generation(status)
    found.append(File(folder / name, status.st_size, status.st_mtime, number))
  return found


def glob(pattern: AnyPath) -> list[Place]:
  """What a pattern names (`*`, `?`, `[...]`, and `**` for any depth), sorted.

  As on a disk, `*` does not match a name that begins with a dot. A name that
  exists as it is written names itself.
  """
  pattern = path(pattern)
  if not isinstance(pattern, BucketPath):
    found = local_glob.glob(str(pattern), recursive=True)
    exact = [str(pattern)] if pattern.exists() else []
    return [pathlib.Path(name) for name in exact or sorted(found)]
  if exists(pattern):
    return [pattern]
  return sorted({place for place, _ in _matched_all(pattern)})


def objects_of(pattern: BucketPath) -> list[File]:
  """The objects that a name, a folder or a pattern stands for, sorted."""
  if (one := objects.stat(pattern)) is not None:
    return [_file(pattern.bucket, one)]
  if _MAGIC.isdisjoint(pattern.key) or is_dir(pattern):
    return files(pattern)
  found = {one.name: one for _, one in _matched_all(pattern) if one}
  return [_file(pattern.bucket, one) for _, one in sorted(found.items())]


_Matched = tuple[BucketPath, objects.Object | None]


def _matched_all(pattern: BucketPath) -> Iterator[_Matched]:
  return _matched(BucketPath(pattern.bucket), pattern.key.split('/'))


def _matched(folder: BucketPath, parts: list[str]) -> Iterator[_Matched]:
  """The places below a folder that the parts of a pattern name.

  Each has its object, or None where it is a folder.
  """
  part, rest = parts[0], parts[1:]
  if part == '**':
    yield from _matched(folder, rest or ['*'])
    for name in objects.children(folder)[1]:
      yield from _matched(folder / name, parts)
    return
  if _MAGIC.isdisjoint(part):
    place = folder / part
    if rest:
      yield from _matched(place, rest)
    elif (one := objects.stat(place)) is not None or is_dir(place):
      yield place, one
    return
  found, below = objects.children(folder)
  there = dict.fromkeys(below) | {o.name.rpartition('/')[2]: o for o in found}
  for name, one in there.items():
    is_hidden = name.startswith('.') and not part.startswith('.')
    if is_hidden or not fnmatch.fnmatchcase(name, part):
      continue
    if not rest:
      yield folder / name, one
    elif name in below:
      yield from _matched(folder / name, rest)


def read_bytes(place: AnyPath) -> bytes:
  """The bytes of a file or object."""
  place = path(place)
  if isinstance(place, BucketPath):
    return objects.read(place)
  return place.read_bytes()


def read_text(place: AnyPath) -> str:
  """The UTF-8 text of a file or object; newlines stay as they are."""
  return read_bytes(place).decode()


def _generation(status: os.stat_result) -> int:
  return status.st_mtime_ns << 16 | status.st_ino & 0xFFFF


def generation(place: AnyPath) -> int:
  """A number that each write of a file or object changes; 0 without one."""
  place = path(place)
  if isinstance(place, BucketPath):
    there = objects.stat(place)
    return there.generation if there else 0
  try:
    return _generation(place.stat())
  except FileNotFoundError:
    return 0


def write(
  place: AnyPath, content: bytes | str, match: int | None = None
) -> int:
  """Writes a file or object as a whole; its new generation.

  Args:
    place: where; the folders of a file are made.
    content: bytes, or text as UTF-8.
    match: write only if this is the `generation` so far; 0: if there is none.

  Raises:
    BucketChangedError: the generation is another. A lost answer to the own
      write does not count: who wrote is told so.
  """
  place = path(place)
  content = content.encode() if isinstance(content, str) else content
  if isinstance(place, BucketPath):
    return objects.write(place, content, match)
  place.parent.mkdir(parents=True, exist_ok=True)
  if match is None:
    atomic.write_bytes(place, content)
    return generation(place)
  folder = os.open(place.parent, os.O_RDONLY)
  try:
    with contextlib.suppress(OSError):  # Not on every network disk.
      fcntl.flock(folder, fcntl.LOCK_EX)
    if generation(place) != match:
      what = 'was changed by another process meanwhile'
      raise BucketChangedError(errno.ESTALE, what, place)
    atomic.write_bytes(place, content)
    return generation(place)
  finally:
    os.close(folder)


def remove(place: AnyPath) -> None:
  """Deletes a file or object, if it is there."""
  place = path(place)
  if isinstance(place, BucketPath):
    objects.delete(place)
  else:
    place.unlink(missing_ok=True)


def remove_tree(folder: AnyPath) -> None:
  """Deletes a folder with all below it, if it is there."""
  folder = path(folder)
  if isinstance(folder, BucketPath):
    trees.delete(folder)
  elif folder.exists():
    shutil.rmtree(folder)


def move_tree(folder: AnyPath, to: AnyPath) -> None:
  """Moves a folder to a name that is free, on the same disk or in buckets.

  In a bucket all is copied before the first is deleted: when it is killed,
  nothing is lost, and the same call completes it.

  Raises:
    InputError: one of both is local and the other is not.
  """
  folder, to = path(folder), path(to)
  if isinstance(folder, BucketPath) and isinstance(to, BucketPath):
    trees.move(folder, to)
  elif isinstance(folder, pathlib.Path) and isinstance(to, pathlib.Path):
    if to.exists():
      raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(to))
    to.parent.mkdir(parents=True, exist_ok=True)
    atomic.publish(folder, to)
  else:
    what = f'{folder}: cannot be moved to {to}: one is in a bucket'
    raise InputError(f'{what}; copy it there')


class Lines:
  """A log of lines that is read while it grows, with one writer.

  In a file a line is appended at once. An object is rewritten as a whole, at
  most every `EVERY` seconds, and by `flush`: what a kill loses is younger.
  """

  EVERY = 30.0

  def __init__(
    self, place: AnyPath, before_write: Callable[[], None] = lambda: None
  ):
    """Opens a log; a last line that a crash truncated is dropped.

    `before_write` is called whenever something is to be written; it may raise
    to forbid it.
    """
    self._place, self._before_write = path(place), before_write
    self._sent = time.monotonic()
    self._generation = generation(self._place)
    text = read_text(self._place) if self._generation else ''
    kept = text[: text.rfind('\n') + 1]
    self._lines = kept.splitlines(keepends=True)
    self._unsent = kept != text
    if self._unsent:
      _log.warning('%s: dropped a cut line', self._place)
    self.flush()

  @property
  def text(self) -> str:
    """All lines so far."""
    return ''.join(self._lines)

  def rewrite(self, lines: list[str]) -> None:
    """Puts other lines, without their ends, in the place of all so far."""
    self._lines = [f'{line}\n' for line in lines]
    self._unsent = True
    self.flush()

  def add(self, line: str) -> None:
    """Appends a line, which has no end yet.

    Raises:
      BucketChangedError: another process has written the object meanwhile.
    """
    self._lines.append(f'{line}\n')
    if isinstance(self._place, BucketPath):
      self._unsent = True
      if time.monotonic() - self._sent >= self.EVERY:
        self._flush_if_reached()
      return
    self._before_write()
    with open(self._place, 'a', encoding='utf-8') as file:
      file.write(f'{line}\n')
      file.flush()
      os.fsync(file.fileno())

  def _flush_if_reached(self) -> None:
    """As `flush`; of a bucket that does not answer later."""
    try:
      self.flush()
    except BucketError as error:
      if error.errno != errno.ETIMEDOUT:
        raise
      self._sent = time.monotonic()
      _log.warning('%s; what was not sent is sent later', error)

  def flush(self) -> None:
    """Sends what is not there yet: at checkpoints, evaluations and the end."""
    if not self._unsent:
      return
    self._before_write()
    match = self._generation if isinstance(self._place, BucketPath) else None
    self._generation = write(self._place, self.text, match)
    self._sent, self._unsent = time.monotonic(), False

"""Objects of Cloud Storage: listed, read, written, copied and deleted, whole.

What is read is checked by its CRC32C; a write may demand the generation that
it replaces.
"""

import base64
import collections
import contextlib
import difflib
import errno
import functools
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import IO, Any, NamedTuple

from biobert_jax import errors
from biobert_jax.io.buckets import request
from biobert_jax.io.buckets.bucket_path import BucketPath

_CHUNK = 32 * 2**20  # Of an upload that can be resumed.
_WRITER = 'biobert-jax-write'  # Metadata: which write made the object.
# Writes that were given up, and may have been carried out all the same.
_unanswered: dict[BucketPath, set[str]] = collections.defaultdict(set)
_FIELDS = 'name,size,generation,crc32c,updated,contentEncoding'


class Object(NamedTuple):
  """An object of a bucket.

  Attributes:
    name: within its bucket.
    size: in bytes.
    generation: a number that each write changes.
    crc32c: its checksum, in base64.
    updated: seconds since 1970.
    encoding: 'gzip' where it is stored compressed, and read as if it were not.
  """

  name: str
  size: int
  generation: int
  crc32c: str
  updated: float
  encoding: str = ''


def _object(blob: Any) -> Object:
  return Object(
    blob.name,
    int(blob.size),
    int(blob.generation),
    blob.crc32c or '',
    blob.updated.timestamp() if blob.updated else 0.0,
    blob.content_encoding or '',
  )


def stat(place: BucketPath) -> Object | None:
  """The object of a name, if there is one."""
  blob = (
    request.ask(place, request.bucket(place).get_blob, place.key)
    if place.key
    else None
  )
  return _object(blob) if blob else None


def _pages(place: BucketPath, **options: Any) -> Iterator[tuple[Any, Any]]:
  """(objects, folders) below a folder, a page of the list at a time."""
  bucket = request.bucket(place)
  options['prefix'] = f'{place.key}/' if place.key else None
  fields = f'items({_FIELDS}),prefixes,nextPageToken'
  pages = request.ask(place, bucket.list_blobs, fields=fields, **options).pages
  while True:
    with request.told(place, request.timeout_seconds()):
      page = next(pages, None)
    if page is None:
      return
    yield [_object(blob) for blob in page], page.prefixes


def _is_mark(one: Object) -> bool:
  """Whether it stands for an empty folder, as the console makes them."""
  return one.name.endswith('/')


def objects(folder: BucketPath, marks: bool = False) -> Iterator[Object]:
  """All objects below a folder, by name; `marks`: also of empty folders."""
  for page, _ in _pages(folder):
    yield from (one for one in page if marks or not _is_mark(one))


def children(folder: BucketPath) -> tuple[list[Object], list[str]]:
  """The objects of a folder, and the names of the folders in it."""
  found, below = [], []
  for page, prefixes in _pages(folder, delimiter='/'):
    found += [one for one in page if not _is_mark(one)]
    below += [prefix.split('/')[-2] for prefix in prefixes]
  return found, below


def any_below(folder: BucketPath) -> bool:
  """Whether it is a folder: something lies in it."""
  return any(page for page, _ in _pages(folder, max_results=1))


def nearest(place: BucketPath) -> str:
  """`; did you mean gs://…?` of what lies beside a missing name; else ''."""
  found, below = children(place.parent)
  there = [*(one.name.rpartition('/')[2] for one in found), *below]
  like = difflib.get_close_matches(place.name, there, n=1, cutoff=0.6)
  return f'; did you mean {place.with_name(like[0])}?' if like else ''


def read(place: BucketPath) -> bytes:
  """The bytes of an object; what arrives damaged is read again."""
  import gzip

  blob = request.bucket(place).blob(place.key)
  options: dict[str, Any] = {'raw_download': True, 'checksum': 'crc32c'}
  for last in (False, False, True):
    try:
      content = request.ask(place, blob.download_as_bytes, **options)
      break
    except errors.BucketError as error:
      if last or error.errno != errno.EIO:
        raise
  return (
    gzip.decompress(content) if blob.content_encoding == 'gzip' else content
  )


def crc32c_of(file: IO[bytes]) -> str:
  """The checksum of a file, as the service writes it."""
  import google_crc32c

  checksum = google_crc32c.Checksum()
  file.seek(0)
  while chunk := file.read(2**20):
    checksum.update(chunk)
  return base64.b64encode(checksum.digest()).decode()


class _Counted:
  """What is written to a file, and counted."""

  def __init__(self, file: IO[bytes], count: Callable[[int], object]):
    self._file, self._count = file, count

  def write(self, content: bytes) -> int:
    self._count(len(content))
    return self._file.write(content)


def download(
  bucket: BucketPath,
  of: Object,
  file: IO[bytes],
  count: Callable[[int], object],
) -> None:
  """Completes a file that holds the first bytes of an object, and checks it.

  Raises:
    BucketChangedError: the object has another generation now.
  """
  place = bucket / of.name
  for _ in range(2):
    start = -1
    while (at := file.seek(0, os.SEEK_END)) < of.size:
      # As long as it advances, it has all the time.
      try:
        blob = request.bucket(place).blob(of.name)
        options: dict[str, Any] = {'raw_download': True, 'checksum': None}
        options |= {'start': at, 'if_generation_match': of.generation}
        stream = _Counted(file, count)
        request.ask(place, blob.download_to_file, stream, **options)
      except errors.BucketError:
        if at == start:
          raise
      start = at
    if crc32c_of(file) == of.crc32c:
      return
    count(-file.seek(0, os.SEEK_END))
    file.truncate(0)
  what = 'arrived damaged twice: its CRC32C differs; run the same command again'
  raise errors.BucketError(errno.EIO, what, place)


def write(
  place: BucketPath, source: bytes | pathlib.Path, match: int | None = None
) -> int:
  """Makes or replaces an object, as a whole; its generation.

  Args:
    place: the object.
    source: its bytes, or the file that holds them.
    match: the generation that it must have before; 0: it must not exist.

  Raises:
    BucketChangedError: it has another generation.
  """
  import mimetypes

  blob = request.bucket(place).blob(place.key, chunk_size=_CHUNK)
  mark = os.urandom(8).hex()
  blob.metadata = {_WRITER: mark}
  failures: list[BaseException] = []
  kind = mimetypes.guess_type(place.name)[0] or 'application/octet-stream'
  is_file = isinstance(source, pathlib.Path)
  send = blob.upload_from_filename if is_file else blob.upload_from_string
  options: dict[str, Any] = {'content_type': kind, 'checksum': 'crc32c'}
  options |= {'if_generation_match': match, 'failures': failures}
  try:
    request.ask(place, send, source, **options)
  except errors.BucketChangedError:
    there = request.ask(place, request.bucket(place).get_blob, place.key)
    made_by = (there.metadata or {}).get(_WRITER) if there else None
    # The answer to our own write may have been lost: to this one,
    if made_by == mark and failures:
      return int(there.generation)
    # or to one before, which was given up.
    if there and made_by in _unanswered[place]:
      return write(place, source, int(there.generation))
    raise
  except errors.BucketError:
    _unanswered[place].add(mark)
    raise
  _unanswered.pop(place, None)
  return int(blob.generation)


def delete(place: BucketPath, match: int | None = None) -> None:
  """Deletes an object, if it is there."""
  blob = request.bucket(place).blob(place.key)
  with contextlib.suppress(errors.BucketMissingError):
    request.ask(place, blob.delete, if_generation_match=match)


def copy(place: BucketPath, to: BucketPath) -> None:
  """Copies an object within the service."""
  source, token = request.bucket(place).blob(place.key), None
  while True:
    blob = request.bucket(to).blob(to.key)
    token, _, _ = request.ask(to, blob.rewrite, source, token=token)
    if token is None:
      return


def check_writable(place: BucketPath) -> None:
  """Refuses a bucket that the credentials cannot write to, before any work."""
  _check_writable(place.bucket)


@functools.cache
def _check_writable(name: str) -> None:
  place = BucketPath(name)
  needed = 'storage.objects.create'
  bucket = request.bucket(place)
  try:
    granted = request.ask(place, bucket.test_iam_permissions, [needed])
  except errors.BucketMissingError:
    any_below(place)  # Says that there is no bucket.
    return
  if needed not in granted:
    what = f'access denied (the account lacks {needed}); give it'
    what = f'{what} roles/storage.objectUser on {place}'
    raise errors.BucketAccessError(errno.EACCES, what, place)

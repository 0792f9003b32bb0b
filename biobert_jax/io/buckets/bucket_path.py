"""Paths of a user: a local path, or a name in a bucket of Cloud Storage."""

import dataclasses
import os
import pathlib
import re
from typing import TypeAlias

from biobert_jax.errors import InputError

SCHEME = 'gs://'
_SUPPORTED = 'supported are local paths and gs://BUCKET/NAME (Cloud Storage)'
_URL = re.compile(r'([A-Za-z][A-Za-z0-9+.-]*)://')
# As pathlib makes them of a URL: one slash is lost.
_COLLAPSED = re.compile(
  r'(abfss?|az|dbfs|ftp|gcs|hdfs|https?|oss|s3[an]?|wasbs?):/', re.IGNORECASE
)
_BUCKET = re.compile(r'[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]')
_ADDRESS = re.compile(r'(\d+\.){3}\d+')
_MOST_BYTES = 1024  # Of the name of an object.


@dataclasses.dataclass(frozen=True, order=True)
class BucketPath:
  """A name in a bucket, of an object or of all that begins with `NAME/`.

  It is no `os.PathLike`, on purpose: `open` and `pathlib.Path` raise a
  TypeError instead of making a local folder `gs:`.

  Attributes:
    bucket: its name.
    key: the name within it, without a slash at its ends; '' is the bucket.
  """

  bucket: str
  key: str = ''

  def __str__(self) -> str:
    return f'{SCHEME}{self.bucket}' + (f'/{self.key}' if self.key else '')

  def __repr__(self) -> str:
    return f'BucketPath({str(self)!r})'

  def __truediv__(self, name: 'str | pathlib.PurePath') -> 'BucketPath':
    below = str(name).strip('/')
    key = f'{self.key}/{below}' if self.key and below else self.key or below
    return dataclasses.replace(self, key=key)

  @property
  def name(self) -> str:
    """The last part of the key; the bucket's name where there is none."""
    return self.key.rpartition('/')[2] or self.bucket

  @property
  def suffix(self) -> str:
    """As of a pathlib.Path."""
    return pathlib.PurePosixPath(self.name).suffix

  @property
  def stem(self) -> str:
    """As of a pathlib.Path."""
    return pathlib.PurePosixPath(self.name).stem

  @property
  def parent(self) -> 'BucketPath':
    """The folder that holds it; a bucket's is the bucket itself."""
    return dataclasses.replace(self, key=self.key.rpartition('/')[0])

  def with_name(self, name: str) -> 'BucketPath':
    """Another name in the same folder."""
    return self.parent / name

  def with_suffix(self, suffix: str) -> 'BucketPath':
    """The same name with another suffix."""
    return self.with_name(self.stem + suffix)

  def is_relative_to(self, folder: 'Place') -> bool:
    """Whether it is a folder or lies below it."""
    return (
      isinstance(folder, BucketPath)
      and folder.bucket == self.bucket
      and f'{self.key}/'.startswith(f'{folder.key}/' if folder.key else '')
    )

  def relative_to(self, folder: 'Place') -> pathlib.PurePosixPath:
    """The path below a folder; a ValueError where it does not lie there."""
    if not (isinstance(folder, BucketPath) and self.is_relative_to(folder)):
      raise ValueError(f'{self} does not lie in {folder}')
    return pathlib.PurePosixPath(self.key[len(folder.key) :].strip('/'))


Place: TypeAlias = pathlib.Path | BucketPath
AnyPath: TypeAlias = str | os.PathLike[str] | BucketPath


def path(given: AnyPath) -> Place:
  """The place that a path of a user names, with `~`, of a flag or a config.

  Raises:
    InputError: a URL of another kind, or a bucket or name that cannot be.
  """
  if isinstance(given, BucketPath):
    return given
  text = os.fspath(given)
  if text[:3].lower() == 'gs:':
    return _bucket_path(text)
  if _URL.match(text) or _COLLAPSED.match(text):
    raise InputError(f'{text}: cannot be used; {_SUPPORTED}')
  return pathlib.Path(os.path.expanduser(text))


def _bucket_path(text: str) -> BucketPath:
  if not text.startswith(SCHEME):
    rest = text[3:].lstrip('/')
    raise InputError(f'{text}: not a path; did you mean {SCHEME}{rest}?')
  bucket, _, key = text.removeprefix(SCHEME).partition('/')
  key = key[:-1] if key.endswith('/') else key
  if not bucket:
    raise InputError(f'{text}: names no bucket; write {SCHEME}BUCKET/NAME')
  parts = bucket.split('.')
  longest = max(map(len, parts))
  if (
    not _BUCKET.fullmatch(bucket)
    or not all(parts)
    or longest > 63
    or _ADDRESS.fullmatch(bucket)
  ):
    what = f'no bucket can be named {bucket!r}: it is 3 to 63 lower-case'
    raise InputError(f'{text}: {what} letters, digits, -, _ or .')
  if key and not {'', '.', '..'}.isdisjoint(key.split('/')):
    what = 'has an empty part, "." or ".." in it; write the name without'
    raise InputError(f'{text}: {what}')
  if (why := unusable(key)) is not None:
    raise InputError(f'{text!r}: {why}')
  return BucketPath(bucket, key)


def unusable(key: str) -> str | None:
  """Why no object can have a name; None where it can."""
  try:
    size = len(key.encode())
  except UnicodeEncodeError:
    return 'the name of an object must be UTF-8'
  if size > _MOST_BYTES:
    return f'the name of an object has at most {_MOST_BYTES} bytes, not {size}'
  if '\n' in key or '\r' in key:
    return 'the name of an object cannot hold a line break'
  return None

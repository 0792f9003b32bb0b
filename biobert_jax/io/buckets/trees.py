"""Folders in a bucket: uploaded, moved and deleted, several objects at once."""

import os
import pathlib
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from biobert_jax.errors import InputError
from biobert_jax.io.buckets import objects
from biobert_jax.io.buckets.bucket_path import BucketPath, unusable

_T = TypeVar('_T')
_AT_ONCE = 8


def each(do: Callable[[_T], object], items: Iterable[_T]) -> None:
  """Does it for each, several at once; the first error ends it."""
  from concurrent.futures import ThreadPoolExecutor

  with ThreadPoolExecutor(_AT_ONCE) as pool:
    futures = [pool.submit(do, item) for item in items]
    try:
      for future in futures:
        future.result()
    except BaseException:
      pool.shutdown(wait=False, cancel_futures=True)
      raise


def files_below(folder: pathlib.Path) -> list[str]:
  """The files of a local folder, as paths below it."""
  return sorted(
    (pathlib.Path(root) / name).relative_to(folder).as_posix()
    for root, _, names in os.walk(folder)
    for name in names
  )


def refuse_folder(place: BucketPath) -> None:
  """Refuses to write an object where a folder stands, or a bucket."""
  if not place.key or objects.any_below(place):
    raise InputError(f'{place}: is a folder; name a file')


def refuse_object(folder: BucketPath) -> None:
  """Refuses to write a folder where an object stands."""
  if objects.stat(folder) is not None:
    raise InputError(f'{folder}: is a file; name a folder')


def upload(
  source: pathlib.Path, to: BucketPath, last: Sequence[str] = ()
) -> None:
  """Uploads a file, or a folder in place of what stands there.

  Args:
    source: the local file or folder.
    to: its name in the bucket.
    last: the files that make the folder valid, in order: what stands there is
      deleted first, and the new ones are written when all else is.
  """
  if not source.is_dir():
    objects.write(to, source)
    return
  refuse_object(to)
  for name in (names := files_below(source)):
    if why := unusable((to / name).key):
      raise InputError(f'{to / name}: {why}')
  # What is valid is not so while it is replaced.
  for name in reversed(last):
    objects.delete(to / name)
  first = [name for name in names if name not in last]
  each(lambda name: objects.write(to / name, source / name), first)
  kept = {(to / name).key for name in names}
  delete(to, lambda one: one.name not in kept)
  for name in last:
    if name in names:
      objects.write(to / name, source / name)


def delete(
  folder: BucketPath,
  chosen: Callable[[objects.Object], bool] = lambda one: True,
) -> None:
  """Deletes the objects below a folder, or those that are chosen."""
  found = [one for one in objects.objects(folder, marks=True) if chosen(one)]
  each(lambda one: objects.delete(BucketPath(folder.bucket, one.name)), found)


def move(folder: BucketPath, to: BucketPath) -> None:
  """Copies all below a folder within the service, then deletes it there."""
  found = list(objects.objects(folder, marks=True))

  def copied(one: objects.Object) -> None:
    key = to.key + one.name.removeprefix(folder.key)
    source = BucketPath(folder.bucket, one.name)
    objects.copy(source, BucketPath(to.bucket, key))

  each(copied, found)
  each(lambda one: objects.delete(BucketPath(folder.bucket, one.name)), found)

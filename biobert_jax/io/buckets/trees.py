"""Folders in a bucket: uploaded, moved and deleted, several objects at once."""

import contextlib
import os
import pathlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from biobert_jax.errors import BucketChangedError, InputError
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


def add(source: pathlib.Path, to: BucketPath, last: Sequence[str] = ()) -> None:
  """Uploads the files of a folder beside what stands there.

  One that is there with the same content stays: what a kill broke off goes on.
  Those named `last` make the rest valid and are written last.

  Raises:
    InputError: an object of the same name has other content.
  """
  there = {one.name: one for one in objects.objects(to)}

  def send(name: str) -> None:
    place, file = to / name, source / name
    one = there.get(place.key)
    if one is None:
      try:
        objects.write(place, file, match=0)
      except BucketChangedError:  # Somebody made it meanwhile.
        if (one := objects.stat(place)) is None:
          raise
    if one is not None:
      with open(file, 'rb') as opened:
        if objects.crc32c_of(opened) != one.crc32c:
          what = 'is there already with other content; remove what lies in'
          what = f'{what} {to}, or name another folder'
          raise InputError(f'{place}: {what}')
    count(file.stat().st_size)

  names = files_below(source)
  sizes = [(source / name).stat().st_size for name in names]
  with progress(f'copying to {to}', sum(sizes)) as count:
    each(send, [name for name in names if name not in last])
    for name in last:
      send(name)


@contextlib.contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], object]]:
  """Shows on a terminal how many of the bytes are done."""
  from tqdm import tqdm

  silent = not (total and sys.stderr.isatty())
  form: dict[str, Any] = {'unit': 'B', 'unit_scale': True, 'disable': silent}
  with tqdm(total=total, desc=what, **form) as bar:
    yield bar.update


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

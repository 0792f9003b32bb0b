"""Checkpoints in an archive (`.tar`, `.tar.gz`, `.tgz`), as BioBERT's come.

Nothing is written until all members were looked at; only plain files are.
"""

import contextlib
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator

from biobert_jax.checkpoints.formats.file_magic import read_start
from biobert_jax.errors import InputError
from biobert_jax.io import streams, tar_archives

_ENDINGS = ('.tar', '.tar.gz', '.tgz')
MAX_MEMBERS = 1_000
MAX_BYTES = 32 * 2**30
_MAX_RATIO = 200  # Bytes per packed byte, above 1 GiB; weights hardly shrink.


def is_archive(path: str | os.PathLike[str]) -> bool:
  """Whether a path is named like an archive that `extracted` takes."""
  return pathlib.Path(path).name.lower().endswith(_ENDINGS)


@contextlib.contextmanager
def extracted(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
  """Unpacks an archive into a temporary folder, which goes afterwards.

  Damaged archives are refused, members that are links, devices or outside the
  folder, and more members or bytes than a checkpoint has or the disk takes.

  Yields:
    The folder; where all lies in one inner folder, that one.
  """
  path = pathlib.Path(path)
  with tempfile.TemporaryDirectory(prefix='biobert_jax_') as made:
    folder = pathlib.Path(made)
    _extract(path, folder)
    inside = list(folder.iterdir())
    single = len(inside) == 1 and inside[0].is_dir()
    yield inside[0] if single else folder


def _extract(path: pathlib.Path, folder: pathlib.Path) -> None:
  read_start(path)  # Says what a failed download left.
  try:
    _check(path, shutil.disk_usage(folder).free)
    with streams.open_stream(path) as stream:
      for member in tar_archives.members(stream):
        target = folder / member.name
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open('xb') as file:
          file.writelines(member.stream.chunks())
  except OSError as error:
    raise InputError(
      f'{path}: cannot be unpacked to {folder.parent} ({error.strerror}); '
      'unpack it yourself and give the folder'
    ) from error


def _check(path: pathlib.Path, free: int) -> None:
  """Looks at every member, and at the end of the archive."""
  names: set[str] = set()
  size, packed = 0, path.stat().st_size
  with streams.open_stream(path) as stream:
    for member in tar_archives.members(stream):
      what = f'{path}: member {member.name[:200]!r}'
      if len(names) == MAX_MEMBERS:
        raise InputError(
          f'{path}: more than {MAX_MEMBERS} members; a checkpoint has a few, '
          'give the archive of one checkpoint'
        )
      if member.name in names:
        raise InputError(f'{what} is there twice; pack the checkpoint again')
      names.add(member.name)
      size += member.size
      total = f'{what} brings the size to {size} bytes'
      if size > MAX_BYTES or size > max(_MAX_RATIO * packed, 2**30):
        raise InputError(
          f'{total}, of an archive of {packed}; no checkpoint unpacks to so '
          'much, take it from a source you trust'
        )
      if size > free:
        problem = f'{total}, and {tempfile.gettempdir()} has {free} free'
        raise InputError(f'{problem}; set TMPDIR to a folder on a larger disk')
  if not names:
    raise InputError(f'{path}: holds no files; download it again')

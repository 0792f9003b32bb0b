"""Files that every worker of a pipeline on Apache Beam can reach.

A path with a scheme, as `gs://bucket/name`, is of Beam's `FileSystems`; any
other is a file that every worker sees under that name. Remote files are copied
whole: our readers and ArrayRecord want a local one.
"""

import contextlib
import os
import pathlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence

from apache_beam.io import filesystem, filesystems

from biobert_jax.data.pretraining import manifest as pretraining_manifest
from biobert_jax.errors import InputError
from biobert_jax.io.atomic import publish
from biobert_jax.preprocessing.token_shards import prepare, stages
from biobert_jax.text.readers import any_format, input_files

_Files = filesystems.FileSystems
_AS_IT_IS = filesystem.CompressionTypes.UNCOMPRESSED
_BUFFER = 1 << 20  # Bytes copied at once.


def is_remote(path: str) -> bool:
  """Whether a path has a scheme."""
  return '://' in path


def find_inputs(
  patterns: Sequence[str], skipped: Counter[str]
) -> tuple[stages.InputFile, ...]:
  """The files that patterns match, all local or all remote."""
  if not any(map(is_remote, patterns)):
    return prepare.find_inputs(patterns, skipped)
  if not all(map(is_remote, patterns)):
    what = '--input: some patterns have a scheme as gs://, others none'
    raise InputError(f'{what}: workers see one place; copy the rest there')
  found: dict[str, filesystem.FileMetadata] = {}
  for pattern in patterns:
    named = _matched(pattern) or _matched(f'{pattern.rstrip("/")}/**')
    if not named:
      raise InputError(f'--input {pattern!r}: no file matches; check the path')
    for file in sorted(named, key=lambda file: file.path):
      if file.path == pattern or any_format.is_named_as_text(file.path):
        found[file.path] = file
      else:
        skipped['files_skipped'] += 1
  found = input_files.without_annotations(found)
  files = []
  for path, name in input_files.short_names(list(found)).items():
    modified = int(found[path].last_updated_in_seconds * 10**9)
    files.append(
      stages.InputFile(path, name, found[path].size_in_bytes, modified)
    )
  return tuple(files)


def _matched(pattern: str) -> list[filesystem.FileMetadata]:
  with _explained(pattern):
    (result,) = _Files.match([pattern])
  return list(result.metadata_list)


def sizes(folder: str) -> dict[str, int]:
  """The files in a remote folder, with their bytes."""
  found = _matched(f'{folder.rstrip("/")}/*')
  return {file.path.rpartition('/')[2]: file.size_in_bytes for file in found}


@contextlib.contextmanager
def local_copy(path: str) -> Iterator[str]:
  """The path of a file on this machine, until the context ends."""
  if not is_remote(path):
    yield path
    return
  with stages.copied(path, fetch, exists) as copy:
    yield copy


def fetch(path: str, copy: pathlib.Path) -> None:
  """Copies a remote file to a local path."""
  with (
    _explained(path),
    _Files.open(path, compression_type=_AS_IT_IS) as source,
    open(copy, 'wb') as target,
  ):
    shutil.copyfileobj(source, target, _BUFFER)


@contextlib.contextmanager
def atomic_folder_write(folder: str, aside: str) -> Iterator[str]:
  """A new local folder, whose files appear in another when the context ends.

  They come one by one, whole, a manifest last; none comes after an error. Local
  ones are renamed from the folder `aside` in it.
  """
  place = None
  if not is_remote(folder):
    place = os.path.join(folder, aside)
    os.makedirs(place, exist_ok=True)
  with tempfile.TemporaryDirectory(prefix='writing-', dir=place) as here:
    yield here
    files = pathlib.Path(here).iterdir()
    for file in sorted(
      files, key=lambda file: file.name == pretraining_manifest.MANIFEST
    ):
      target = f'{folder.rstrip("/")}/{file.name}'
      if place is not None:
        publish(file, target)
        continue
      # A remote file is there when it is closed, not before.
      with (
        _explained(target),
        open(file, 'rb') as source,
        _Files.create(target, compression_type=_AS_IT_IS) as sink,
      ):
        shutil.copyfileobj(source, sink, _BUFFER)


def exists(path: str) -> bool:
  """Whether a remote file is there."""
  with _explained(path):
    return bool(_Files.exists(path))


def is_empty(folder: str) -> bool:
  """Whether a remote folder holds no file."""
  with _explained(folder):
    (result,) = _Files.match([f'{folder.rstrip("/")}/*'], limits=[1])
  return not result.metadata_list


@contextlib.contextmanager
def _explained(path: str) -> Iterator[None]:
  try:
    yield
  except (OSError, ValueError, filesystem.BeamIOError) as error:
    what = str(error).splitlines()[0] if str(error) else type(error).__name__
    raise InputError(
      f'{path}: Beam cannot reach it ({what}); check the name and the access,'
      ' and install what its scheme needs, as apache-beam[gcp] for gs://'
    ) from None

"""The folder that a corpus is made in: its own, or one on the way to a bucket.

It is of one run at a time, and resumes: what has been asked for is written in
it, and compared. Of a corpus in a bucket, parts and shards lie on this disk
until all is there.
"""

import contextlib
import dataclasses
import fcntl
import json
import logging
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

from biobert_jax.data.pretraining import shards
from biobert_jax.data.pretraining.manifest import (
  DROPPED,
  MANIFEST,
  TRAIN,
  Manifest,
  read_manifest,
)
from biobert_jax.errors import InputError
from biobert_jax.io import atomic, json_files, storage
from biobert_jax.text.readers.article import Options

_log = logging.getLogger(__name__)
_PARTS = 'parts'


@contextlib.contextmanager
def shards_folder(
  output: storage.Place, keep_parts: bool
) -> Iterator[pathlib.Path]:
  """The output, or a folder whose files are put into a bucket at the end."""
  if isinstance(output, pathlib.Path):
    yield output
    return
  storage.check_writable(output)
  folder = storage.unfinished(output)
  folder.mkdir(parents=True, exist_ok=True)
  with _locked(folder.with_name('lock'), output):
    made = folder / MANIFEST
    if not made.exists() and storage.names(output):
      what = f'{output}: holds something that no run of this machine put there'
      raise InputError(f'{what}; remove it, or name an empty folder')
    _log.info('parts and shards lie in %s until all is in %s', folder, output)
    yield folder
    parts, aside = folder / _PARTS, folder.with_name(_PARTS)
    if keep_parts and parts.exists():
      atomic.publish(parts, aside)
      _log.info('the parts are kept in %s', aside)
    shutil.rmtree(parts, ignore_errors=True)
    storage.add_files(folder, output, last=(made.name,))
    shutil.rmtree(folder)


@contextlib.contextmanager
def _locked(path: pathlib.Path, folder: storage.Place) -> Iterator[None]:
  """Holds a lock, so that one run writes to a folder."""
  with open(path, 'w') as lock:
    try:
      fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
      what = f'{folder}: another run is writing there; wait for it or stop it'
      raise InputError(what) from None
    yield


def finished_manifest(
  folder: storage.Place, spec: dict[str, Any]
) -> Manifest | None:
  """The manifest of a folder that is complete; None if it is not."""
  if not storage.exists(path := folder / MANIFEST):
    return None
  manifest = read_manifest(folder)
  check_same_spec(path, manifest, spec)
  for split in manifest['splits']:
    if isinstance(folder, pathlib.Path):
      shards.check_shards(folder, manifest, split)
    else:  # Their headers are not fetched.
      shards.check_names(folder, manifest, split)
  return manifest


@contextlib.contextmanager
def first_shard(
  output: str, manifest: Manifest, fetch: Callable[[str, pathlib.Path], None]
) -> Iterator[pathlib.Path]:
  """A corpus of one shard of training: a remote one, for a look at documents.

  Shards are by the hash of ids, so its documents are a sample of all. The
  folder also holds `dropped.tsv`. `fetch` copies a remote file.
  """
  split = manifest['splits'][TRAIN]
  entry = next(entry for entry in split['shards'] if entry['records'])
  splits = {TRAIN: {**split, 'shards': [entry]}}
  with tempfile.TemporaryDirectory(prefix='biobert-') as here:
    folder = pathlib.Path(here)
    for name in (DROPPED, entry['file'], entry['lengths']['file']):
      fetch(f'{output.rstrip("/")}/{name}', folder / name)
    path = folder / MANIFEST
    json_files.write_json(path, {**manifest, 'splits': splits})
    yield folder


def check_same_spec(
  path: object, stored: dict[str, Any], spec: dict[str, Any]
) -> None:
  for name, value in spec.items():
    known, wanted = _comparable(stored[name]), _comparable(value)
    if known != wanted:
      differ = [key for key in wanted if known.get(key) != wanted[key]]
      what = f'{path}: the folder is of other {name} ({", ".join(differ)})'
      raise InputError(f'{what}; name another --output, or remove the folder')


def _comparable(part: dict[str, Any]) -> dict[str, Any]:
  """A part of a manifest as it was before the latest options came."""
  kept = {key: value for key, value in part.items() if key != 'skipped'}
  if 'reading' in kept:
    kept['reading'] = dataclasses.asdict(Options()) | kept['reading']
  return kept


@contextlib.contextmanager
def open_output(
  folder: pathlib.Path, spec: dict[str, Any]
) -> Iterator[pathlib.Path]:
  """The folder of parts, for this run alone."""
  parts = folder / _PARTS
  try:
    if folder.exists() and not parts.exists() and any(folder.iterdir()):
      what = f'{folder}: holds something else'
      raise InputError(f'{what}; name an empty folder for --output')
    parts.mkdir(parents=True, exist_ok=True)
    (parts / 'lock').touch()
  except OSError as error:
    what = f'{folder}: cannot be written ({error.strerror})'
    raise InputError(f'{what}; name another --output') from None
  with _locked(parts / 'lock', folder):
    # Input may be added; the rest was decided when the folder was begun.
    fixed = {'vocabulary': spec['vocabulary'], 'options': spec['options']}
    path = parts / 'asked.json'
    if path.exists():
      check_same_spec(path, json.loads(path.read_text()), fixed)
    else:
      json_files.write_json(path, fixed, sort_keys=True)
    for left in (*folder.glob('*.tmp'), *parts.glob('*.tmp')):
      shutil.rmtree(left) if left.is_dir() else left.unlink()
    yield parts

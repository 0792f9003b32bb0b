"""Steps of a run in a bucket: which are complete, and what is left of others.

A bucket renames nothing, so a step has its name while Orbax still writes it,
and `commit_success.txt` last. A copy from a disk may have no such file: its
metadata say when it was complete.
"""

import contextlib
import json
import logging
import time
from typing import NamedTuple

from biobert_jax.io import storage
from biobert_jax.io.storage import BucketPath

COMMIT_FILE = 'commit_success.txt'
UNFINISHED_FOLDER = 'checkpoints_unfinished'
_METADATA_FILE = '_CHECKPOINT_METADATA'
# Nobody writes a step to which nothing came for so long.
_GIVEN_UP_SECONDS = 3600.0
_log = logging.getLogger(__name__)


class _Step(NamedTuple):
  place: BucketPath
  has_commit_file: bool
  updated: float  # When its last object was written, in seconds since 1970.

  def times(self) -> tuple[float, float]:
    """When its save began and ended, by Orbax's clock; 0: not known."""
    with contextlib.suppress(FileNotFoundError, ValueError, AttributeError):
      record = json.loads(storage.read_text(self.place / _METADATA_FILE))
      began = record.get('init_timestamp_nsecs') or 0
      return float(began), float(record.get('commit_timestamp_nsecs') or 0)
    return 0.0, 0.0

  def is_given_up(self) -> bool:
    """Whether Orbax began it, and nobody can still be at it."""
    began, ended = self.times()
    quiet = time.time() - self.updated > _GIVEN_UP_SECONDS
    return bool(began) and not ended and quiet


def _steps(folder: BucketPath) -> list[_Step]:
  """All that lies in a folder, by the first part of its name."""
  marked, updated = set(), dict[str, float]()
  for file in storage.files(folder):
    below = str(file.place).removeprefix(f'{folder}/')
    name, _, rest = below.partition('/')
    updated[name] = max(file.updated, updated.get(name, 0.0))
    if rest == COMMIT_FILE:
      marked.add(name)
  return [_Step(folder / n, n in marked, updated[n]) for n in updated]


def complete(folder: BucketPath) -> list[BucketPath]:
  """The steps that are whole, as far as those who wrote them say."""
  return [
    step.place
    for step in _steps(folder)
    if step.place.name.isdecimal() and (step.has_commit_file or step.times()[1])
  ]


def settle(folder: BucketPath) -> None:
  """Leaves complete steps alone; only the one writer of a run may call it.

  A step that was copied from a disk gets its commit file. What a killed run
  left is moved to `checkpoints_unfinished/`, and deleted when it is certain
  that Orbax began it and that nobody is still at it.
  """
  aside = folder.parent / UNFINISHED_FOLDER
  for step in _steps(folder):
    if step.has_commit_file or not step.place.name.isdecimal():
      continue
    if step.times()[1]:
      storage.write(step.place / COMMIT_FILE, 'Copied when it was complete.\n')
      _log.info('%s was copied here; it is used', step.place)
    elif not step.is_given_up():
      # A name of its own: the same step may be left again.
      name = f'{folder.name}_{step.place.name}_{time.time_ns()}'
      try:
        storage.move_tree(step.place, aside / name)
      except FileNotFoundError:  # The run before this one deletes it just now.
        storage.remove_tree(aside / name)
        continue
      _log.warning(
        'moved %s, which was not finished, to %s', step.place, aside / name
      )
    else:
      _remove(step)
  for step in _steps(aside):
    if step.is_given_up():
      _remove(step)


def _remove(step: _Step) -> None:
  storage.remove_tree(step.place)
  _log.info('deleted %s, which was not finished', step.place)

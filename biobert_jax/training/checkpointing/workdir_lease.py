"""One writer for each work folder: the last run that was started.

A run that was taken for dead may come back and write beside its successor. So
whoever starts leaves a random token, and whoever finds another's stops before
it writes. No lock: nothing has to be removed after a kill. In a bucket, of two
that start at once one wins, and the other knows it.
"""

import json
import os
import secrets
import socket
import time

import jax
import numpy as np
from jax.experimental import multihost_utils

from biobert_jax.errors import (
  BucketChangedError,
  BucketError,
  InputError,
  TakenOverError,
  UserError,
)
from biobert_jax.io import storage
from biobert_jax.io.atomic import staged
from biobert_jax.io.storage import BucketPath, Place
from biobert_jax.parallel.multihost import raise_together

LEASE_FILE = 'writer.json'
_TOKEN_BYTES = 16


class Lease:
  """The right to write to a work folder, until another run takes it."""

  def __init__(self, path: Place, token: str):
    """Use `take`."""
    self._path, self._token = path, token

  @classmethod
  def take(cls, workdir: Place) -> 'Lease':
    """Takes an existing folder for this job; every host calls it."""
    drawn = np.frombuffer(secrets.token_bytes(_TOKEN_BYTES), np.uint8)
    token = np.asarray(multihost_utils.broadcast_one_to_all(drawn))
    lease = cls(workdir / LEASE_FILE, token.tobytes().hex())
    failure: UserError | None = None
    if jax.process_index() == 0:
      try:
        lease._write()
      except BucketChangedError:
        failure = lease._taken_over()
      except OSError as error:
        failure = InputError(f'--workdir {workdir}: {error.strerror}')
        failure.__cause__ = error
    # Also the barrier: no host checks before the token is there.
    other = InputError(f'{workdir}: see the first host')
    raise_together(failure, other)
    return lease

  def _write(self) -> None:
    record = {
      'token': self._token,
      'host': socket.gethostname(),
      'pid': os.getpid(),
      'since': time.strftime('%Y-%m-%d %H:%M:%S %z'),
    }
    text = json.dumps(record) + '\n'
    if isinstance(self._path, BucketPath):
      storage.write(self._path, text, match=storage.generation(self._path))
      return
    with staged(self._path, self._token) as aside:
      aside.write_text(text, 'utf-8')

  def check(self) -> None:
    """Raises a TakenOverError for the host that would write, and must not."""
    failure = self._taken_over()
    if failure is not None:
      raise failure

  def _taken_over(self) -> TakenOverError | None:
    """Who else has the right to write; None: nobody."""
    try:
      now = json.loads(storage.read_text(self._path))
      if now['token'] == self._token:
        return None
      who = f'process {now["pid"]} on {now["host"]} since {now["since"]}'
    # Moved, deleted or damaged: by whom, it does not say.
    except (OSError, ValueError, KeyError, TypeError) as error:
      missing = isinstance(error, FileNotFoundError)
      if isinstance(error, BucketError) and not missing:
        raise  # The bucket does not answer: nobody is known to have it.
      who = 'whoever changed this file'
    return TakenOverError(
      f'{self._path}: another run ({who}) writes to this folder now; this one '
      'stops, and must not be started again'
    )

  def check_together(self) -> None:
    """As `check`, with one verdict for all hosts; every host calls it."""
    failure = self._taken_over()
    other = f'{self._path}: another run writes to this folder'
    raise_together(failure, TakenOverError(other))

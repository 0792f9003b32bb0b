"""One writer for each work folder: the last run that was started.

A run that was taken for dead, on a host that was cut off, may come back and
write beside its successor; steps of two runs then lie mixed, some unreadable.
So whoever starts leaves a random token, and whoever finds another's stops
before it writes. No lock: nothing has to be removed after a kill.
"""

import json
import os
import secrets
import socket
import time

import jax
import numpy as np
from etils import epath
from jax.experimental import multihost_utils

from biobert_jax.errors import InputError, TakenOverError
from biobert_jax.io.atomic import staged

LEASE_FILE = 'writer.json'
_TOKEN_BYTES = 16


class Lease:
  """The right to write to a work folder, until another run takes it."""

  def __init__(self, path: epath.Path, token: str):
    """Use `take`."""
    self._path, self._token = path, token

  @classmethod
  def take(cls, workdir: epath.Path) -> 'Lease':
    """Takes the folder for this job; every host calls it.

    Args:
      workdir: the work folder; it exists.

    Returns:
      The lease, the same on all hosts.

    Raises:
      InputError: the folder cannot be written.
    """
    path = workdir / LEASE_FILE
    drawn = np.frombuffer(secrets.token_bytes(_TOKEN_BYTES), np.uint8)
    token = np.asarray(multihost_utils.broadcast_one_to_all(drawn))
    lease = cls(path, token.tobytes().hex())
    failure = ''
    if jax.process_index() == 0:
      try:
        lease._write()
      except OSError as error:
        failure = f'--workdir {workdir}: {error.strerror}'
    # Also the barrier: no host checks before the token is there.
    failed = multihost_utils.process_allgather(np.asarray(bool(failure)))
    if np.any(failed):
      raise InputError(failure or f'--workdir {workdir}: see the first host')
    return lease

  def _write(self) -> None:
    record = {
      'token': self._token,
      'host': socket.gethostname(),
      'pid': os.getpid(),
      'since': time.strftime('%Y-%m-%d %H:%M:%S %z'),
    }
    with staged(self._path, self._token) as aside:
      aside.write_text(json.dumps(record) + '\n', 'utf-8')

  def _successor(self) -> str:
    """Who holds the folder now; '' while we do."""
    try:
      record = json.loads(self._path.read_text())
      if record['token'] == self._token:
        return ''
      return (
        f'process {record["pid"]} on {record["host"]} since {record["since"]}'
      )
    # Moved, deleted or damaged: by whom, it does not say.
    except (OSError, ValueError, KeyError, TypeError):
      return 'whoever changed this file'

  def check(self) -> None:
    """Call it before writing, on the host that writes.

    Raises:
      TakenOverError: names the run that has the folder now.
    """
    if successor := self._successor():
      raise TakenOverError(
        f'{self._path}: another run ({successor}) writes to this folder now; '
        'this one stops, and must not be started again'
      )

  def check_together(self) -> None:
    """As `check`, with one verdict for all hosts; every host calls it.

    Raises:
      TakenOverError: on every host, if one of them finds another's token.
    """
    failure: TakenOverError | None = None
    try:
      self.check()
    except TakenOverError as error:
      failure = error
    failed = multihost_utils.process_allgather(np.asarray(failure is not None))
    if failure is not None:
      raise failure
    if np.any(failed):
      raise TakenOverError(f'{self._path}: another run writes to this folder')

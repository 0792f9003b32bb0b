"""Trains one run of a protocol: a process of its own, which the pool starts.

The first line of standard input is one JSON object, see `train_run`. When the
pipe ends, with the parent, this process stops as after SIGTERM: it saves its
state, so that the same command resumes.
"""

import json
import logging
import os
import signal
import sys
import threading
import time
from typing import Any

from ml_collections import ConfigDict

from biobert_jax import errors
from biobert_jax.training import train

_SECONDS_TO_SAVE = 60.0


def train_run(request: dict[str, Any]) -> None:
  """Trains as the command `train`, but records the `argv` of the protocol."""
  sys.argv = request['argv']
  train.train(ConfigDict(request['config']), request['workdir'])


def _stop_with_parent() -> None:
  # Unbuffered: a lock that this thread held would abort Python at its exit.
  while os.read(sys.stdin.fileno(), 1):
    pass
  os.kill(os.getpid(), signal.SIGTERM)
  time.sleep(_SECONDS_TO_SAVE)
  os._exit(errors.EXIT_PREEMPTED)


def main() -> int:
  """Trains what standard input describes; returns the exit code."""
  logging.basicConfig(
    format='[%(asctime)s] %(message)s', datefmt='%H:%M:%S', force=True
  )
  logging.getLogger('biobert_jax').setLevel(logging.INFO)
  request = json.loads(sys.stdin.buffer.readline())
  threading.Thread(target=_stop_with_parent, daemon=True).start()
  return errors.exit_code_of(lambda: train_run(request))


if __name__ == '__main__':
  sys.exit(main())

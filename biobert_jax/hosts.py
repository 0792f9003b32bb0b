"""How the processes of a pod begin and end together."""

import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import jax

from biobert_jax.errors import EXIT_FAILED, PreemptedError, UserError

# How long a host that failed waits for others that fail alike, to end as
# they do. JAX waits for 300 s, and then aborts instead of giving its code.
_FAREWELL_SECONDS = 10.0
T = TypeVar('T')
_log = logging.getLogger(__name__)


def join(coordinator: str, num_hosts: int, host: int) -> None:
  """Makes this process one of a job.

  Args:
    coordinator: `ADDRESS:PORT` of the first host.
    num_hosts: of the job; 0 where JAX finds out by itself, as on a TPU pod.
    host: which of them this is.
  """
  given = (coordinator, num_hosts, host)
  jax.distributed.initialize(*(given if num_hosts else ()))


def together(program: Callable[..., T], *arguments: Any) -> T:
  """Runs a program on one host of a job.

  A host that fails alone leaves others waiting for it in the middle of a step,
  from where they never come to the meeting at the end. So it goes, and when it
  is gone, their heartbeats end them.

  Args:
    program: what every host runs.
    *arguments: of the program.

  Returns:
    What it returns.

  Raises:
    PreemptedError: all hosts agreed to stop.
  """
  try:
    return program(*arguments)
  except PreemptedError:
    raise
  except UserError as error:
    sys.stderr.write(f'{error.kind}: {error}\n')
    _leave(error.exit_code)
  except Exception:
    traceback.print_exc()
    _leave(EXIT_FAILED)


def _leave(code: int) -> NoReturn:
  """Ends this process, with others that fail alike if they come soon."""
  farewell = threading.Thread(target=jax.distributed.shutdown, daemon=True)
  farewell.start()
  farewell.join(_FAREWELL_SECONDS)
  if farewell.is_alive():
    _log.warning('leaving hosts behind that did not come to an end')
  sys.stdout.flush()
  sys.stderr.flush()
  os._exit(code)

"""One line per error of Orbax, which is raised as well."""

import logging
import sys
import threading
from collections.abc import Callable
from typing import Any

from biobert_jax.errors import disk_full

# What threads say whose work a failed write or read has ended.
_AFTERMATH = ('Event loop is closed', 'handle is closed')


class _ErrorLines(logging.Filter):
  """Keeps error lines of Orbax, but neither tracebacks nor echoes."""

  def filter(self, record: logging.LogRecord) -> bool:
    """False of a full disk, and of errors that were never retrieved."""
    error = record.exc_info[1] if record.exc_info else None
    if 'orbax' in record.pathname:
      record.exc_info = None
    text = record.getMessage()
    full = disk_full(error) or disk_full(text)
    return not full and 'exception was never retrieved' not in text


class _Hook:
  """A hook for errors that nobody catches, without what comes too late.

  Where an array cannot be read or written, Orbax gives up the others: their
  coroutines end anyhow, and TensorStore's threads report to an event loop that
  is closed. What a full disk does to threads is raised as well.
  """

  def __init__(self, before: Callable[[Any], object]):
    """Hands all else on to the hook there was before."""
    self._before = before

  def __call__(self, event: Any) -> None:
    """One exception that nobody could catch."""
    error = event.exc_value
    coroutine = getattr(getattr(event, 'object', None), 'cr_code', None)
    abandoned = coroutine is not None and 'orbax' in coroutine.co_filename
    if not (abandoned or disk_full(error) or str(error) in _AFTERMATH):
      self._before(event)


def quieten_orbax() -> None:
  """Leaves one line of each error of Orbax; it is raised as well."""
  for name in ('absl', 'asyncio'):
    log = logging.getLogger(name)
    if not any(isinstance(f, _ErrorLines) for f in log.filters):
      log.addFilter(_ErrorLines())
  if not isinstance(sys.unraisablehook, _Hook):
    sys.unraisablehook = _Hook(sys.unraisablehook)
  if not isinstance(threading.excepthook, _Hook):
    threading.excepthook = _Hook(threading.excepthook)

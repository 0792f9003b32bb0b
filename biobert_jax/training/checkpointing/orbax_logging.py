"""One line per error of Orbax, which is raised as well."""

import logging
import sys
from collections.abc import Callable
from typing import Any


class _ErrorLines(logging.Filter):
  """Keeps error lines of Orbax, but neither tracebacks nor echoes."""

  def filter(self, record: logging.LogRecord) -> bool:
    """False for asyncio's remark about an error that was never retrieved."""
    if 'orbax' in record.pathname:
      record.exc_info = None
    return 'exception was never retrieved' not in str(record.msg)


class _UnraisableHook:
  """`sys.unraisablehook` without what comes too late to matter.

  When an array cannot be read, Orbax gives up the others: their coroutines end
  anyhow, and TensorStore's threads report to an event loop that is closed.
  """

  def __init__(self, before: Callable[[Any], object]):
    """Hands all else on to the hook there was before."""
    self._before = before

  def __call__(self, event: Any) -> None:
    """One exception that nobody could catch."""
    coroutine = getattr(event.object, 'cr_code', None)
    abandoned = coroutine is not None and 'orbax' in coroutine.co_filename
    if not abandoned and str(event.exc_value) != 'Event loop is closed':
      self._before(event)


def quieten_orbax() -> None:
  """Leaves one line of each error of Orbax; it is raised as well."""
  for name in ('absl', 'asyncio'):
    log = logging.getLogger(name)
    if not any(isinstance(f, _ErrorLines) for f in log.filters):
      log.addFilter(_ErrorLines())
  if not isinstance(sys.unraisablehook, _UnraisableHook):
    sys.unraisablehook = _UnraisableHook(sys.unraisablehook)

"""An error of Orbax is one line, and nothing comes after it."""

import errno
import logging
import sys
import threading
import types

import pytest

from biobert_jax.checkpoints.formats import orbax_logging


@pytest.fixture
def heard(monkeypatch):
  """What reached the hooks that there were before ours."""
  found = []
  monkeypatch.setattr(sys, 'unraisablehook', found.append)
  monkeypatch.setattr(threading, 'excepthook', found.append)
  orbax_logging.quieten_orbax()
  orbax_logging.quieten_orbax()
  return found


def unraisable(error, coroutine=None):
  return types.SimpleNamespace(exc_value=error, object=coroutine)


def test_threads_are_silent_of_a_full_disk(heard):
  full = OSError(errno.ENOSPC, 'No space left on device')
  for error in (full, OSError('handle is closed'), OSError('another')):
    threading.excepthook(types.SimpleNamespace(exc_value=error))
  assert [str(event.exc_value) for event in heard] == ['another']


def test_late_reports_are_not_heard(heard):
  sys.unraisablehook(unraisable(RuntimeError('Event loop is closed')))
  for path, kept in (('/x/orbax/y.py', False), ('/x/ours.py', True)):
    code = types.SimpleNamespace(co_filename=path)
    coroutine = types.SimpleNamespace(cr_code=code)
    sys.unraisablehook(unraisable(Exception('reading'), coroutine))
    assert len(heard) == kept
  sys.unraisablehook(unraisable(RuntimeError('another')))
  assert len(heard) == 2


def test_lines_without_tracebacks_and_echoes(heard, caplog):
  assert not heard
  absl, asyncio = logging.getLogger('absl'), logging.getLogger('asyncio')
  for log in (absl, asyncio):
    assert sum(type(f).__name__ == '_ErrorLines' for f in log.filters) == 1
  try:
    raise OSError('no space')
  except OSError as error:
    why = (OSError, error, error.__traceback__)
  for path, kept in (('/x/orbax/y.py', False), ('/x/ours.py', True)):
    record = logging.LogRecord('absl', 40, path, 1, 'failed', (), why)
    absl.handle(record)
    assert bool(record.exc_info) == kept
  asyncio.error('Future exception was never retrieved')
  absl.error('cannot save: No space left on device')
  asyncio.error('something else')
  assert caplog.messages == ['failed', 'failed', 'something else']

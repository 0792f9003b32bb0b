"""A door to Cloud Storage for the tests, and a bucket for each."""

import itertools
import os
import pathlib
from collections.abc import Iterator

import pytest

from biobert_jax.io.buckets import request
from tests.gcs import emulator
from tests.gcs.door import Door, opened

NO_EMULATOR = (
  f'no emulator: {emulator.VARIABLE} names no Python (CONTRIBUTING.md)'
)
_numbers = itertools.count()


def pytest_configure(config: pytest.Config) -> None:
  """A connection that a fault has broken off is closed by the collector."""
  config.addinivalue_line('filterwarnings', 'ignore:unclosed:ResourceWarning')


def has_emulator() -> bool:
  """Whether the emulator of PyPI is there."""
  return bool(os.environ.get(emulator.VARIABLE))


@pytest.fixture(scope='session')
def session_door() -> Iterator[Door]:
  """The door of all tests; without the emulator, before a store of its own."""
  with opened(in_memory=not has_emulator()) as door:
    yield door


@pytest.fixture(scope='session')
def needs_emulator() -> None:
  """For tests that the door's own store cannot serve."""
  if not has_emulator():
    pytest.skip(NO_EMULATOR)


@pytest.fixture
def door(session_door: Door) -> Door:
  """The door, without faults, with an empty log."""
  session_door.reset()
  return session_door


@pytest.fixture
def bucket(
  door: Door, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> str:
  """An empty bucket, as gs://NAME; this process and its children are led to it.

  The local copies lie below `tmp_path`, and a request is tried for 20 seconds.
  """
  name = f'bucket-{next(_numbers)}-{os.getpid()}'
  door.make_bucket(name)
  for key, value in door.by_every_road().items():
    monkeypatch.setenv(key, value)
  monkeypatch.setenv('BIOBERT_CACHE', str(tmp_path / 'cache'))
  monkeypatch.setenv('BIOBERT_STORAGE_TIMEOUT', '20')
  monkeypatch.setattr(request, '_PAUSES', (0.02, 0.5))
  monkeypatch.setattr(request, '_gave_up', set())
  door.log.clear()
  return f'gs://{name}'

"""Orbax on a bucket: its paths, how long it tries, what its errors mean.

Orbax writes arrays by TensorStore and the rest by TensorFlow. Both retry by
themselves, for a quarter of an hour and more unless they are told otherwise.
"""

import contextlib
import functools
import math
import os
from collections.abc import Iterator

from etils import epath

from biobert_jax.errors import StorageError, UserError
from biobert_jax.io.buckets import request
from biobert_jax.io.storage import BucketPath, Place

# Eight tries, each cut off when nothing moves for a sixteenth of the whole
# time, with pauses of 1, 2, 4, ... 32 of its 240 parts in between.
_RETRIES = 7
_PARTS, _LONGEST = 240, 32
_STALLS = 16
ROLES = 'roles/storage.objectUser and roles/storage.legacyBucketReader'
_REFUSED = f'access is refused; the account needs {ROLES} on this bucket'
_UNREACHED = 'the bucket cannot be reached'
# Names of TensorFlow's errors, of TensorStore's states in its messages, and of
# the client's errors, which Orbax meets when it deletes a step.
_REASONS = {
  _REFUSED: (
    *('PermissionDeniedError', 'UnauthenticatedError', 'PERMISSION_DENIED'),
    *('UNAUTHENTICATED', 'Forbidden', 'Unauthorized', 'RefreshError'),
    'PermissionError',
  ),
  _UNREACHED: (
    *('UnavailableError', 'DeadlineExceededError', 'AbortedError'),
    *('ResourceExhaustedError', 'InternalError', 'UNAVAILABLE'),
    *('DEADLINE_EXCEEDED', 'ABORTED', 'RESOURCE_EXHAUSTED', 'RetryError'),
    *('ServiceUnavailable', 'TooManyRequests', 'ConnectionError'),
    *('TransportError', 'TimeoutError', 'ConnectionResetError'),
  ),
}


def orbax_path(place: Place) -> epath.Path:
  """The same place as Orbax takes it."""
  if isinstance(place, BucketPath):
    bound_retries()
  return epath.Path(str(place))


@functools.cache
def bound_retries() -> None:
  """Lets both libraries give up after `$BIOBERT_STORAGE_TIMEOUT` seconds."""
  # Only now: no other command needs it, and it takes a second.
  from orbax.checkpoint._src.serialization import tensorstore_utils

  seconds = request.timeout_seconds()
  first, longest = seconds / _PARTS, seconds / _PARTS * _LONGEST
  stall = str(math.ceil(seconds / _STALLS))
  retries = {
    'max_retries': _RETRIES,
    'initial_delay': f'{first:.3f}s',
    'max_delay': f'{longest:.3f}s',
  }
  for context in (
    tensorstore_utils._BASE_TS_CONTEXT,
    tensorstore_utils._DEFAULT_OCDBT_TS_CONTEXT,
  ):
    context.setdefault('gcs_request_retries', retries)
  variables = {
    'TENSORSTORE_CURL_CONNECT_TIMEOUT_SECONDS': stall,
    'TENSORSTORE_CURL_LOW_SPEED_TIME_SECONDS': stall,
    'TENSORSTORE_CURL_LOW_SPEED_LIMIT_BYTES': '1',
    'GCS_REQUEST_CONNECTION_TIMEOUT_SECS': stall,
    'GCS_REQUEST_IDLE_TIMEOUT_SECS': stall,
    'GCS_METADATA_REQUEST_TIMEOUT_SECS': str(math.ceil(seconds)),
    'GCS_RETRY_CONFIG_MAX_RETRIES': str(_RETRIES),
    'GCS_RETRY_CONFIG_INIT_DELAY_TIME_US': str(int(first * 1e6)),
    'GCS_RETRY_CONFIG_MAX_DELAY_TIME_US': str(int(longest * 1e6)),
  }
  for name, value in variables.items():
    os.environ.setdefault(name, value)


@contextlib.contextmanager
def refusals(place: Place) -> Iterator[None]:
  """Turns the errors of a bucket that does not let us in into StorageErrors."""
  try:
    yield
  except UserError:
    raise
  except Exception as error:
    why = refusal(error) if isinstance(place, BucketPath) else ''
    if not why:
      raise
    what = f'{place}: {why}; earlier steps are kept'
    raise StorageError(f'{what}; run the same command again') from error


def refusal(error: BaseException) -> str:
  """Why a bucket does not let us in, with a remedy; '' for any other error.

  What is there cannot be judged then: it is not damaged.
  """
  for found in _chain(error):
    words = {kind.__name__ for kind in type(found).__mro__}
    words.update(str(found).replace(':', ' ').split())
    for reason, names in _REASONS.items():
      if not words.isdisjoint(names):
        return f'{reason} ({" ".join(str(found).split())[:200]})'
  return ''


def _chain(error: BaseException | None) -> Iterator[BaseException]:
  while error is not None:
    yield error
    error = error.__cause__ or error.__context__

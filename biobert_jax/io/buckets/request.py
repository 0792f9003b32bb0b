"""Requests to Cloud Storage, and its errors in one line with a remedy.

The only module that knows `google-cloud-storage`, which is imported by the
first request. What fails for a while is tried again, for the seconds that
`$BIOBERT_STORAGE_TIMEOUT` names.
"""

import contextlib
import errno
import functools
import logging
import math
import os
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

from biobert_jax import errors
from biobert_jax.io.buckets.bucket_path import BucketPath

TIMEOUT_VARIABLE = 'BIOBERT_STORAGE_TIMEOUT'
_SECONDS = 240.0
_ANSWER_SECONDS = 30.0  # The longest silence within a request.
_PAUSES = (0.5, 15.0)  # The first between two tries, and the longest.
# After a bucket did not answer for all the time, what is left to clean up is
# tried for a moment only: a command ends within five minutes.
_AGAIN_SECONDS = 5.0
_TRANSIENT = {408, 429, 500, 502, 503, 504}
_log = logging.getLogger(__name__)
_gave_up: set[str] = set()
_connecting = threading.Lock()


def timeout_seconds() -> float:
  """How long a request is tried; an InputError for what is no such number."""
  text = os.environ.get(TIMEOUT_VARIABLE, '')
  try:
    seconds = float(text or _SECONDS)
  except ValueError:
    seconds = math.nan
  if not 0 < seconds < math.inf:
    what = f'{TIMEOUT_VARIABLE} is {text!r}; it must be a number of seconds'
    raise errors.InputError(what)
  return seconds


@functools.cache
def _connected(process: int, emulator: str | None) -> Any:
  """A client of this process: connections do not survive a fork."""
  del process
  import google.auth
  from google.auth.exceptions import DefaultCredentialsError
  from google.cloud.storage import Client

  if emulator:
    return Client()
  try:
    credentials, project = google.auth.default(scopes=Client.SCOPE)
  except DefaultCredentialsError:
    _log.warning('no Google Cloud credentials found; reading as anybody may')
    return Client.create_anonymous_client()
  return Client(project=project or '-', credentials=credentials)


def bucket(place: BucketPath) -> Any:
  """The bucket of a place; its requests are billed to the quota project."""
  emulator = os.environ.get('STORAGE_EMULATOR_HOST')
  with told(place), _connecting:
    client = _connected(os.getpid(), emulator)
    quota = getattr(client._credentials, 'quota_project_id', None)
    return client.bucket(place.bucket, user_project=quota)


def _status(error: BaseException) -> int:
  """The HTTP status of an error; 0 where there was no answer."""
  response = getattr(error, 'response', None)
  code = getattr(error, 'code', None) or getattr(response, 'status_code', 0)
  return int(code) if isinstance(code, int) else 0


def _is_transient(error: BaseException) -> bool:
  import http.client

  import requests
  import urllib3
  from google.auth import exceptions as auth

  if isinstance(error, auth.TransportError | auth.RefreshError):
    return isinstance(error, auth.TransportError) or error.retryable
  lost = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    ConnectionError,
  )
  return isinstance(error, lost) or _status(error) in _TRANSIENT


def ask(
  place: BucketPath,
  call: Callable[..., Any],
  *arguments: Any,
  failures: list[BaseException] | None = None,
  **options: Any,
) -> Any:
  """Calls a method of the client, again where it fails for a while.

  `failures` gets the errors of the calls that were made again.
  """
  from google.api_core.retry import Retry

  again = place.bucket in _gave_up
  seconds = min(timeout_seconds(), _AGAIN_SECONDS if again else math.inf)
  retry = Retry(
    predicate=_is_transient,
    initial=_PAUSES[0],
    maximum=_PAUSES[1],
    timeout=seconds,
    on_error=failures.append if failures is not None else None,
  )
  silence = min(seconds, _ANSWER_SECONDS)
  with told(place, seconds):
    answer = call(*arguments, retry=retry, timeout=silence, **options)
  _gave_up.discard(place.bucket)
  return answer


@contextlib.contextmanager
def told(place: BucketPath, seconds: float = 0.0) -> Iterator[None]:
  """Raises the client's errors as OSErrors of one line."""
  try:
    yield
  except (errors.UserError, KeyboardInterrupt):
    raise
  except Exception as error:
    told = _as_user_error(place, error, seconds)
    if told is None:
      raise
    raise told from error


def _as_user_error(
  place: BucketPath, error: Exception, seconds: float
) -> errors.BucketError | None:
  from google.api_core.exceptions import RetryError
  from google.auth.exceptions import GoogleAuthError
  from google.cloud.exceptions import GoogleCloudError
  from google.cloud.storage.exceptions import DataCorruption

  if isinstance(error, DataCorruption):
    what = 'arrived damaged: its CRC32C differs; run the same command again'
    return errors.BucketError(errno.EIO, what, place)
  cause = error.cause if isinstance(error, RetryError) else error
  if isinstance(error, RetryError) or _is_transient(error):
    _gave_up.add(place.bucket)
    what = f'no answer within {seconds:g} s ({_reason(cause)}); check the'
    what = f'{what} network, then run the same command again'
    return errors.BucketError(errno.ETIMEDOUT, what, place)
  status = _status(error)
  if status in (401, 403) or isinstance(error, GoogleAuthError):
    return errors.BucketAccessError(errno.EACCES, _denied(place, error), place)
  if not isinstance(error, GoogleCloudError):
    return None
  if status == 404:
    return errors.BucketMissingError(errno.ENOENT, _missing(place), place)
  if status == 412:
    what = 'was changed by another process meanwhile; run the same command'
    what = f'{what} again when that has ended'
    return errors.BucketChangedError(errno.ESTALE, what, place)
  said = _said(error)
  if 'requester pays' in said:
    what = 'the bucket bills who reads it; name the project that pays: gcloud'
    what = f'{what} auth application-default set-quota-project PROJECT'
    return errors.BucketAccessError(errno.EACCES, what, place)
  return errors.BucketError(errno.EIO, f'{said} (HTTP {status})', place)


def _denied(place: BucketPath, error: Exception) -> str:
  status = _status(error)
  if status == 403:
    what = f'access denied ({_said(error)}); give the account'
    return f'{what} roles/storage.objectUser on {BucketPath(place.bucket)}'
  what = 'the credentials were refused' if status else 'no valid credentials'
  return f'{what}; run: gcloud auth application-default login'


def _missing(place: BucketPath) -> str:
  """Which of both is missing, the bucket or the object."""
  there = BucketPath(place.bucket)
  if place.key:
    with contextlib.suppress(errors.BucketError):
      listed = bucket(there).list_blobs
      ask(there, lambda **options: list(listed(max_results=1, **options)))
      return 'no such object or folder; check the path'
  return f'there is no bucket {place.bucket}; check the name'


def _said(error: Any) -> str:
  """What the service said, in one line."""
  try:
    said = error.response.json()['error']['message']
  except (AttributeError, KeyError, TypeError, ValueError):
    said = getattr(error, 'message', None) or str(error)
    said = re.sub(r'^[A-Z]+ https?://\S+: ', '', said)
  return (str(said).splitlines() or ['no reason given'])[0].rstrip('.')


def _reason(error: BaseException | None) -> str:
  import requests

  if error is not None and (status := _status(error)):
    return f'HTTP {status}: {_said(error)}'
  if isinstance(error, requests.Timeout):
    return 'the service is silent'
  if 'Name' in str(error) and 'resol' in str(error):
    return 'the host name is not resolved'
  return 'no connection'

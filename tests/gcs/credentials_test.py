"""Credentials and who pays, as on a virtual machine, by TLS and real hosts.

The tokens come from a metadata server; nothing in the environment names an
endpoint. Of `io/buckets/request.py`.
"""

import os
import subprocess
import sys

from tests.gcs.door import ALWAYS, Door, Fault

# Writes and reads, and says what happened, one line for each place; begins
# anew with NAME=VALUE in its environment.
PROGRAM = """
import os, sys
from biobert_jax.errors import BucketError
from biobert_jax.io import storage
from biobert_jax.io.buckets import request
for number, place in enumerate(sys.argv[1:]):
  if '=' in place:
    name, _, value = place.partition('=')
    os.environ[name] = value
    request._connected.cache_clear()
    continue
  try:
    storage.write(place, f'{number}')
    print(storage.read_text(place), storage.names(place.rpartition('/')[0]))
  except BucketError as error:
    print(type(error).__name__, error)
"""
NAMES = ('STORAGE_EMULATOR_HOST', 'NO_GCE_CHECK')


def program(environment: dict[str, str], *places: str) -> tuple[list[str], str]:
  """The lines of a process that reads and writes places; its errors."""
  kept = {k: v for k, v in os.environ.items() if k not in NAMES}
  child = subprocess.run(
    [sys.executable, '-c', PROGRAM, *places],
    env={**kept, **environment, 'HOME': '/nonexistent'},
    capture_output=True,
    text=True,
    timeout=60,
  )
  assert child.returncode == 0, child.stderr
  return child.stdout.splitlines(), child.stderr


def test_tokens_that_expire_and_are_revoked(door: Door, bucket: str) -> None:
  """A new one is fetched: at once in place of one that is refused."""
  given: list[int] = []

  def before(line: str) -> None:
    if line.startswith('POST /upload'):
      given.append(door.tokens_given)
      if len(given) in (2, 3):
        door.token = f'token-{len(given)}'
      door.expires_in = 3600 if len(given) < 5 else 1  # Too short for two.

  door.before = before
  door.faults = [Fault('token', times=ALWAYS)]
  places = [f'{bucket}/{number}' for number in range(8)]
  said, _ = program(door.as_virtual_machine(), *places[:5], 'A=B', *places[5:])
  assert [line[0] for line in said] == ['0', '1', '2', '3', '4', '6', '7', '8']
  assert [entry.status for entry in door.log].count(401) == 2
  assert door.tokens_given >= given[4] + 6


def test_credentials_that_are_refused_for_good(door: Door, bucket: str) -> None:
  door.faults = [Fault('token', times=ALWAYS)]
  door.handed_out = 'token-0'
  (said,), _ = program(door.as_virtual_machine(), f'{bucket}/x')
  assert said == (
    f'BucketAccessError {bucket}/x: the credentials were refused; run: gcloud '
    'auth application-default login'
  )


def test_without_credentials_public_buckets_are_read(
  door: Door, bucket: str
) -> None:
  alone = {**door.by_proxy(), 'NO_GCE_CHECK': 'true'}
  door.faults = [Fault('status', '/private', code=401, times=ALWAYS)]
  said, noted = program(alone, f'{bucket}/x', f'{bucket}/private')
  assert said[0] == "0 ['x']"
  assert 'no valid credentials; run: gcloud auth application-def' in said[1]
  assert noted.count('no Google Cloud credentials found') == 1


def test_requester_pays(door: Door, bucket: str) -> None:
  """The quota project of the credentials is billed."""
  door.api.payers = {bucket.removeprefix('gs://'): {'mine'}}
  variable, place = 'GOOGLE_CLOUD_QUOTA_PROJECT', f'{bucket}/x'
  words = (f'{variable}=other', place, f'{variable}=mine', place)
  said, _ = program(door.as_virtual_machine(), place, *words)
  assert 'name the project that pays: gcloud auth application-def' in said[0]
  assert 'access denied (other may not be billed)' in said[1]
  assert said[2] == "4 ['x']"
  assert door.count('userProject=mine')

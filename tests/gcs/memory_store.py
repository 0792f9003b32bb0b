"""The smallest Cloud Storage: objects in memory, by the JSON API.

It knows no preconditions, sessions or XML: those are the door's. It serves the
tests where the emulator cannot be had.
"""

import base64
import dataclasses
import itertools
import json
import re
import threading
import time
import urllib.parse
from collections.abc import Mapping
from typing import Any, NamedTuple

import google_crc32c

_OBJECT = re.compile(r'/(?:download/)?storage/v1/b/([^/]+)/o/([^/]+)')
_COPY = re.compile(
  r'/storage/v1/b/([^/]+)/o/([^/]+)/(?:rewriteTo|copyTo)/b/([^/]+)/o/([^/]+)'
)
_LIST = re.compile(r'/storage/v1/b/([^/]+)/o')
_BUCKET = re.compile(r'/storage/v1/b(?:/([^/]+))?')


class Answer(NamedTuple):
  """An answer of HTTP."""

  status: int
  headers: Mapping[str, str] = {}
  body: bytes = b''

  @classmethod
  def of(cls, value: Any, status: int = 200) -> 'Answer':
    """An answer in JSON."""
    kind = {'Content-Type': 'application/json; charset=UTF-8'}
    return cls(status, kind, json.dumps(value).encode())


def refusal(status: int, message: str, reason: str = 'invalid') -> Answer:
  """An error, as the service words it."""
  details = [{'message': message, 'domain': 'global', 'reason': reason}]
  error = {'code': status, 'message': message, 'errors': details}
  return Answer.of({'error': error}, status)


def crc32c(data: bytes) -> str:
  """The checksum, as the service writes it."""
  return base64.b64encode(google_crc32c.Checksum(data).digest()).decode()


def unquoted(match: re.Match[str]) -> tuple[str, ...]:
  """The groups of a path, as names."""
  return tuple(urllib.parse.unquote(group) for group in match.groups())


@dataclasses.dataclass
class Stored:
  """An object: its bytes, and what the API says of it."""

  data: bytes
  resource: dict[str, Any]


class MemoryStore:
  """A backend of the door."""

  def __init__(self) -> None:
    self._buckets: dict[str, dict[str, Stored]] = {}
    self._lock = threading.RLock()
    self._numbers = itertools.count(time.time_ns() // 1000)

  def stop(self) -> None:
    """Nothing runs."""

  def put(
    self, bucket: str, name: str, data: bytes, resource: dict[str, Any]
  ) -> Answer:
    """Makes or replaces an object."""
    with self._lock:
      if bucket not in self._buckets:
        return self._no_bucket()
      now = time.strftime('%Y-%m-%dT%H:%M:%S.000Z', time.gmtime())
      whole = {
        'kind': 'storage#object',
        'contentType': 'application/octet-stream',
        **resource,
        'name': name,
        'bucket': bucket,
        'size': str(len(data)),
        'generation': str(next(self._numbers)),
        'metageneration': '1',
        'crc32c': crc32c(data),
        'timeCreated': now,
        'updated': now,
      }
      self._buckets[bucket][name] = Stored(data, whole)
      return Answer.of(whole)

  def handle(
    self,
    method: str,
    path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    body: bytes,
  ) -> Answer:
    """Answers a request of the JSON API."""
    with self._lock:
      if match := _COPY.fullmatch(path):
        return self._copied(*unquoted(match))
      if match := _OBJECT.fullmatch(path):
        return self._of_object(method, *unquoted(match), query, headers)
      if match := _LIST.fullmatch(path):
        return self._listed(urllib.parse.unquote(match[1]), query)
      if match := _BUCKET.fullmatch(path):
        return self._of_bucket(method, match[1], body)
    return refusal(501, f'{method} {path} is not served')

  def _no_bucket(self) -> Answer:
    return refusal(404, 'The specified bucket does not exist.', 'notFound')

  def _of_bucket(self, method: str, name: str | None, body: bytes) -> Answer:
    if method == 'POST':
      name = json.loads(body)['name']
      self._buckets.setdefault(name, {})
    if name is None:
      return Answer.of({'items': [{'name': one} for one in self._buckets]})
    if name not in self._buckets:
      return self._no_bucket()
    return Answer.of({'kind': 'storage#bucket', 'name': name})

  def _of_object(
    self,
    method: str,
    bucket: str,
    name: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
  ) -> Answer:
    if bucket not in self._buckets:
      return self._no_bucket()
    stored = self._buckets[bucket].get(name)
    if stored is None:
      return refusal(404, f'No such object: {bucket}/{name}', 'notFound')
    if method == 'DELETE':
      del self._buckets[bucket][name]
      return Answer(204)
    if method != 'GET':
      return refusal(501, f'{method} of an object is not served')
    if query.get('alt') != 'media':
      return Answer.of(stored.resource)
    return _media(stored, headers.get('range', ''))

  def _copied(self, bucket: str, name: str, to: str, as_name: str) -> Answer:
    stored = self._buckets.get(bucket, {}).get(name)
    if stored is None:
      return refusal(404, f'No such object: {bucket}/{name}', 'notFound')
    kept = ('contentType', 'contentEncoding', 'metadata')
    resource = {k: stored.resource[k] for k in kept if k in stored.resource}
    made = self.put(to, as_name, stored.data, resource)
    if made.status != 200:
      return made
    size = str(len(stored.data))
    done = {'done': True, 'totalBytesRewritten': size, 'objectSize': size}
    return Answer.of({**done, 'resource': json.loads(made.body)})

  def _listed(self, bucket: str, query: Mapping[str, str]) -> Answer:
    if bucket not in self._buckets:
      return self._no_bucket()
    prefix, mark = query.get('prefix', ''), query.get('delimiter', '')
    found: dict[str, Any] = {}  # Objects, and folders as None.
    for name in sorted(self._buckets[bucket]):
      end = query.get('endOffset')
      if name < query.get('startOffset', '') or (end and name >= end):
        continue
      if name.startswith(prefix):
        head, cut, _ = name[len(prefix) :].partition(mark or '\0')
        key = prefix + head + cut if cut else name
        found[key] = None if cut else self._buckets[bucket][name].resource
    after = query.get('pageToken', '')
    keys = [key for key in found if key > after]
    page = keys[: int(query.get('maxResults') or 1000)]
    listed: dict[str, Any] = {
      'kind': 'storage#objects',
      'items': [found[key] for key in page if found[key]],
      'prefixes': [key for key in page if not found[key]],
    }
    if page != keys:
      listed['nextPageToken'] = page[-1]
    return Answer.of(listed)


def _media(stored: Stored, wanted: str) -> Answer:
  """The bytes of an object, or a range of them."""
  data, size = stored.data, len(stored.data)
  headers = {
    'Content-Type': stored.resource['contentType'],
    'X-Goog-Generation': stored.resource['generation'],
    'X-Goog-Hash': f'crc32c={stored.resource["crc32c"]}',
    'X-Goog-Stored-Content-Length': str(size),
  }
  if encoding := stored.resource.get('contentEncoding'):
    headers['Content-Encoding'] = encoding
  match = re.fullmatch(r'bytes=(\d*)-(\d*)', wanted)
  if not match or match[0] == 'bytes=-':
    return Answer(200, headers, data)
  first = int(match[1]) if match[1] else max(0, size - int(match[2]))
  last = min(int(match[2]) if match[1] and match[2] else size - 1, size - 1)
  if first >= size:
    return refusal(416, 'The requested range cannot be satisfied.')
  headers['Content-Range'] = f'bytes {first}-{last}/{size}'
  return Answer(206, headers, data[first : last + 1])

"""What Cloud Storage promises and its emulators do not keep.

Generation preconditions of every request, under a lock for each object;
checksums that were sent; resumable uploads that can be queried, overlap and
appear when they end; the XML API's objects; who pays; one write a second.
"""

import dataclasses
import json
import re
import threading
import time
import urllib.parse
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from tests.gcs.memory_store import Answer, crc32c, refusal, unquoted

_UPLOAD = re.compile(r'/(?:resumable/)?upload/storage/v1/b/([^/]+)/o')
_OBJECT = re.compile(r'/(?:download/)?storage/v1/b/([^/]+)/o/([^/]+)')
_TO = re.compile(
  r'/storage/v1/b/[^/]+/o/[^/]+/(?:rewriteTo|copyTo)/b/([^/]+)/o/([^/]+)'
)
_COMPOSE = re.compile(r'/storage/v1/b/([^/]+)/o/([^/]+)/compose')
_XML = re.compile(
  r'/(?!storage/|upload/|download/|resumable/|batch/)([^/]+)/(.+)'
)
_ABOUT = re.compile(
  r'/storage/v1/b/([^/]+)/(storageLayout|iam/testPermissions)'
)
_RANGE = re.compile(r'bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)')
_STEP = 256 * 1024  # Of what a session keeps before it ends.


class Backend(Protocol):
  """Where objects are kept."""

  def stop(self) -> None: ...

  def put(
    self, bucket: str, name: str, data: bytes, resource: dict[str, Any]
  ) -> Answer: ...

  def handle(
    self,
    method: str,
    path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    body: bytes,
  ) -> Answer: ...


@dataclasses.dataclass
class Request:
  """A request; `headers` by names in lower case.

  Attributes:
    permissions: of `query`, those that are asked about.
    url: of this server, as the client sees it.
  """

  method: str
  path: str
  query: dict[str, str]
  headers: dict[str, str]
  body: bytes
  permissions: list[str]
  url: str


@dataclasses.dataclass
class _Session:
  """A resumable upload."""

  bucket: str
  name: str
  query: dict[str, str]
  resource: dict[str, Any]
  got: bytes = b''
  answer: Answer | None = None


class StrictApi:
  """The API in front of a backend.

  Attributes:
    payers: of buckets that bill their readers, the projects that may pay.
    lacking: permissions that no account has.
    seconds_between_writes: of an object; more often is refused with 429.
  """

  def __init__(self, backend: Backend):
    self.backend = backend
    self.reset()
    self._locks: dict[tuple[str, str], threading.RLock] = defaultdict(
      threading.RLock
    )
    self._sessions: dict[str, _Session] = {}
    self._written: dict[tuple[str, str], float] = {}

  def reset(self) -> None:
    """Allows everything again."""
    self.payers: dict[str, set[str]] = {}
    self.lacking: set[str] = set()
    self.seconds_between_writes = 0.0

  def answer(self, request: Request) -> Answer:
    """Answers a request."""
    if (refused := self._unpaid(request)) is not None:
      return refused
    if match := _ABOUT.fullmatch(request.path):
      return self._about(request, *unquoted(match))
    if match := _UPLOAD.fullmatch(request.path):
      return self._upload(request, urllib.parse.unquote(match[1]))
    if match := _XML.fullmatch(request.path):
      return self._xml(request, *unquoted(match))
    for known in (_OBJECT, _TO, _COMPOSE):
      if match := known.fullmatch(request.path):
        bucket, name = unquoted(match)
        writes = known is not _OBJECT
        return self._locked(
          request.query,
          request.method,
          (bucket, name),
          lambda: self._passed_on(request),
          writes,
        )
    return self._passed_on(request)

  def _passed_on(self, request: Request) -> Answer:
    conditions = {'generation'} if 'alt' in request.query else set()
    query = {
      key: value
      for key, value in request.query.items()
      if not key.startswith('if') and key not in {'userProject', *conditions}
    }
    headers = {
      key: request.headers[key]
      for key in ('accept-encoding', 'content-type', 'range')
      if key in request.headers
    }
    return self.backend.handle(
      request.method, request.path, query, headers, request.body
    )

  def _unpaid(self, request: Request) -> Answer | None:
    match = re.match(r'/(?:\w+/)?storage/v1/b/([^/]+)', request.path)
    payers = self.payers.get(match[1]) if match else None
    project = request.query.get(
      'userProject', request.headers.get('x-goog-user-project')
    )
    if payers is None or project in payers:
      return None
    if project is None:
      what = 'Bucket is a requester pays bucket but no user project provided.'
      return refusal(400, what, 'required')
    return refusal(403, f'{project} may not be billed.', 'forbidden')

  def _about(self, request: Request, bucket: str, what: str) -> Answer:
    path = f'/storage/v1/b/{bucket}'
    found = self.backend.handle('GET', path, {}, {}, b'')
    if found.status != 200:
      return found
    if what == 'storageLayout':
      flat = {'enabled': False}
      return Answer.of({'bucket': bucket, 'hierarchicalNamespace': flat})
    granted = [p for p in request.permissions if p not in self.lacking]
    return Answer.of({'permissions': granted})

  # Conditions.

  def _resource(self, bucket: str, name: str) -> dict[str, Any] | None:
    quoted = urllib.parse.quote(name, safe='')
    path = f'/storage/v1/b/{bucket}/o/{quoted}'
    found = self.backend.handle('GET', path, {}, {}, b'')
    return json.loads(found.body) if found.status == 200 else None

  def _unmet(
    self, query: Mapping[str, str], method: str, target: tuple[str, str]
  ) -> Answer | None:
    """The refusal of a request whose conditions do not hold."""
    names = ('generation', 'ifGenerationMatch', 'ifGenerationNotMatch')
    exact, match, other = (query.get(name) for name in names)
    if (exact, match, other) == (None, None, None):
      return None
    resource = self._resource(*target)
    now = int(resource['generation']) if resource else 0
    reads = method == 'GET'
    if (reads and not now) or (exact is not None and int(exact) != now):
      return refusal(404, f'No such object: {"/".join(target)}', 'notFound')
    if match is not None and int(match) != now:
      return refusal(412, 'conditionNotMet', 'conditionNotMet')
    if other is not None and int(other) == now:
      if reads:
        return Answer(304)
      return refusal(412, 'conditionNotMet', 'conditionNotMet')
    return None

  def _locked(
    self,
    query: Mapping[str, str],
    method: str,
    target: tuple[str, str],
    do: Callable[[], Answer],
    writes: bool,
  ) -> Answer:
    """Does it, if the conditions hold and the object is not busy."""
    with self._locks[target]:
      if (refused := self._unmet(query, method, target)) is not None:
        return refused
      if writes:
        now, last = time.monotonic(), self._written.get(target, -1e9)
        if now - last < self.seconds_between_writes:
          what = f'The object {"/".join(target)} exceeded the rate limit.'
          return refusal(429, what, 'rateLimitExceeded')
        self._written[target] = now
      return do()

  # Uploads.

  def _put(
    self,
    query: Mapping[str, str],
    target: tuple[str, str],
    data: bytes,
    resource: dict[str, Any],
    headers: Mapping[str, str],
  ) -> Answer:
    hashes = re.search(r'crc32c=([\w+/=]+)', headers.get('x-goog-hash', ''))
    sent = resource.pop('crc32c', hashes[1] if hashes else None)
    if sent is not None and sent != crc32c(data):
      return refusal(400, f'Provided CRC32C {sent} does not match.')
    resource.pop('md5Hash', None)
    put = self.backend.put
    return self._locked(
      query, 'POST', target, lambda: put(*target, data, resource), True
    )

  def _upload(self, request: Request, bucket: str) -> Answer:
    query, body = request.query, request.body
    kind = query.get('uploadType')
    if 'upload_id' in query:
      return self._continued(request, self._sessions.get(query['upload_id']))
    resource: dict[str, Any] = {}
    if kind == 'multipart':
      resource, body = _parts(request)
    elif kind == 'resumable':
      resource = json.loads(body or b'{}')
      if given := request.headers.get('x-upload-content-type'):
        resource.setdefault('contentType', given)
    elif given := request.headers.get('content-type'):
      resource = {'contentType': given}
    name = query.get('name') or resource.get('name', '')
    if kind != 'resumable':
      return self._put(query, (bucket, name), body, resource, request.headers)
    if (refused := self._unmet(query, 'POST', (bucket, name))) is not None:
      return refused
    number = uuid.uuid4().hex
    self._sessions[number] = _Session(bucket, name, query, resource)
    where = f'{request.url}{request.path}?uploadType=resumable'
    return Answer(200, {'Location': f'{where}&upload_id={number}'})

  def taken(self, request: Request, part: bytes) -> None:
    """Keeps what came of an upload before its connection broke."""
    session = self._sessions.get(request.query.get('upload_id', ''))
    match = _RANGE.fullmatch(request.headers.get('content-range', ''))
    if session and match and match[1] and int(match[1]) == len(session.got):
      session.got += part[: len(part) // _STEP * _STEP]

  def _continued(self, request: Request, session: _Session | None) -> Answer:
    if session is None:
      return refusal(410, 'The upload session is gone.')
    if session.answer is not None:  # It has ended; the answer was lost.
      return session.answer
    data, end = request.body, str(len(request.body))
    if given := request.headers.get('content-range'):
      match = _RANGE.fullmatch(given)
      if not match:
        return refusal(400, f'Content-Range {given} is damaged.')
      end = match[3]
      first = int(match[1]) if match[1] else len(session.got)
      if first > len(session.got):
        return self._incomplete(session)
      data = data[len(session.got) - first :]
    whole = session.got + data
    if end == '*' or len(whole) < int(end):
      kept = len(whole) // _STEP * _STEP
      session.got = whole[: max(kept, len(session.got))]
      return self._incomplete(session)
    target = (session.bucket, session.name)
    answer = self._put(
      session.query, target, whole, dict(session.resource), request.headers
    )
    if answer.status == 200:
      session.got, session.answer = whole, answer
    return answer

  def _incomplete(self, session: _Session) -> Answer:
    got = len(session.got)
    return Answer(308, {'Range': f'bytes=0-{got - 1}'} if got else {})

  # The XML API.

  def _xml(self, request: Request, bucket: str, name: str) -> Answer:
    prefix = 'x-goog-if-generation-match'
    query = {}
    if prefix in request.headers:
      query['ifGenerationMatch'] = request.headers[prefix]
    if request.method == 'PUT':
      kind = request.headers.get('content-type', 'application/octet-stream')
      made = self._put(
        query,
        (bucket, name),
        request.body,
        {'contentType': kind},
        request.headers,
      )
      if made.status != 200:
        return made
      resource = json.loads(made.body)
      return Answer(200, {'x-goog-generation': resource['generation']})
    method = 'GET' if request.method == 'HEAD' else request.method
    quoted = urllib.parse.quote(name, safe='')
    request = dataclasses.replace(
      request,
      method=method,
      path=f'/storage/v1/b/{bucket}/o/{quoted}',
      query={**query, **({'alt': 'media'} if method == 'GET' else {})},
    )
    return self.answer(request)


def _parts(request: Request) -> tuple[dict[str, Any], bytes]:
  """What is said of an object, and its bytes."""
  kind = request.headers['content-type']
  boundary = re.search(r'boundary="?([^";]+)"?', kind)
  assert boundary, kind
  mark = b'--' + boundary[1].encode()
  _, said, rest = request.body.split(mark, 2)
  data = rest.partition(b'\r\n\r\n')[2]
  said = said.partition(b'\r\n\r\n')[2]
  return json.loads(said), data[: data.rfind(b'\r\n' + mark)]

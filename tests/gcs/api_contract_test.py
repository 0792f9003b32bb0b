"""Questions to the API: what the tests of buckets rely on, run first.

Each is put to the door before the emulator, where that can be had, and to the
door before its own store in memory.
"""

import base64
import dataclasses
import json
import urllib.parse
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.gcs.conftest import NO_EMULATOR, has_emulator
from tests.gcs.door import Door, opened
from tests.gcs.memory_store import crc32c

STEP = 256 * 1024
TEN = b'0123456789'


@dataclasses.dataclass
class Api:
  """A bucket, by plain HTTP.

  Attributes:
    url: of the server.
    bucket: its name, new for each question.
  """

  url: str
  bucket: str

  def _url(self, name: str) -> str:
    quoted = urllib.parse.quote(name, safe='')
    return f'{self.url}/storage/v1/b/{self.bucket}/o/{quoted}'

  @property
  def uploads(self) -> str:
    return f'{self.url}/upload/storage/v1/b/{self.bucket}/o'

  def put(self, name: str, data: bytes, **query: Any) -> requests.Response:
    given = {'uploadType': 'media', 'name': name, **query}
    return requests.post(self.uploads, params=given, data=data, timeout=20)

  def multipart(
    self, resource: Mapping[str, Any], data: bytes, **query: Any
  ) -> requests.Response:
    body = b''.join(
      [
        b'--mark\r\nContent-Type: application/json\r\n\r\n',
        json.dumps(resource).encode(),
        b'\r\n--mark\r\nContent-Type: text/plain\r\n\r\n',
        data,
        b'\r\n--mark--',
      ]
    )
    kind = {'Content-Type': 'multipart/related; boundary=mark'}
    given = {'uploadType': 'multipart', **query}
    return requests.post(
      self.uploads, params=given, data=body, headers=kind, timeout=20
    )

  def session(self, name: str, **query: Any) -> requests.Response:
    given = {'uploadType': 'resumable', 'name': name, **query}
    return requests.post(self.uploads, params=given, json={}, timeout=20)

  def send(self, where: str, data: bytes, part: str) -> tuple[int, str | None]:
    answer = requests.put(
      where, data=data, headers={'Content-Range': f'bytes {part}'}, timeout=20
    )
    return answer.status_code, answer.headers.get('Range')

  def get(self, name: str, part: str = '', **query: Any) -> requests.Response:
    headers = {'Range': f'bytes={part}'} if part else {}
    given = {'alt': 'media', **query}
    return requests.get(
      self._url(name), params=given, headers=headers, timeout=20
    )

  def about(self, name: str) -> dict[str, Any]:
    return requests.get(self._url(name), timeout=20).json()

  def delete(self, name: str, **query: Any) -> int:
    answer = requests.delete(self._url(name), params=query, timeout=20)
    return answer.status_code

  def listed(self, **query: Any) -> dict[str, Any]:
    url = f'{self.url}/storage/v1/b/{self.bucket}/o'
    return requests.get(url, params=query, timeout=20).json()

  def names(self, **query: Any) -> list[str]:
    return [one['name'] for one in self.listed(**query).get('items', [])]


@pytest.fixture(scope='module', params=['emulator', 'memory'])
def served(request: pytest.FixtureRequest) -> Iterator[Door]:
  if request.param == 'emulator' and not has_emulator():
    pytest.skip(NO_EMULATOR)
  with opened(in_memory=request.param == 'memory') as door:
    yield door


@pytest.fixture
def api(served: Door) -> Api:
  served.reset()
  name = f'b-{uuid.uuid4().hex}'
  served.make_bucket(name)
  return Api(served.url, name)


def test_what_is_said_of_an_object(api: Api) -> None:
  made = api.put('a/x', TEN).json()
  about = api.about('a/x')
  assert about['size'] == '10'
  assert about['generation'] == made['generation']
  assert about['crc32c'] == crc32c(TEN)
  assert about['updated'].endswith('Z')
  headers = api.get('a/x').headers
  assert headers['x-goog-generation'] == made['generation']
  assert f'crc32c={crc32c(TEN)}' in headers['x-goog-hash']


def test_multipart_keeps_bytes_and_metadata(api: Api) -> None:
  data = bytes(range(256)) + b'\r\n--\r\n'
  resource = {'name': 'm', 'metadata': {'k': 'v'}, 'contentType': 'image/png'}
  assert api.multipart(resource, data).status_code == 200
  assert api.get('m').content == data
  assert api.about('m')['metadata'] == {'k': 'v'}
  assert api.about('m')['contentType'] == 'image/png'


def test_ranges(api: Api) -> None:
  api.put('x', TEN * 3)
  for part, wanted in (('10-12', b'012'), ('25-', b'56789'), ('-2', b'89')):
    answer = api.get('x', part)
    assert (answer.status_code, answer.content) == (206, wanted)
  assert api.get('x', '30-40').status_code == 416
  assert api.get('x', '28-40').content == b'89'


def test_sessions_are_honest(api: Api) -> None:
  """Queried, with overlaps, and invisible until they end."""
  where = api.session('r').headers['Location']
  assert api.send(where, b'', '*/*') == (308, None)
  assert api.send(where, b'a' * STEP, f'0-{STEP - 1}/*')[0] == 308
  held = f'bytes=0-{STEP - 1}'
  assert api.send(where, b'', f'*/{STEP + 1}') == (308, held)
  assert api.get('r').status_code == 404
  assert api.names() == []
  # The same again, as after a lost answer; a gap; less than can be kept.
  assert api.send(where, b'a' * STEP, f'0-{STEP - 1}/*') == (308, held)
  assert api.send(where, b'c', f'{STEP + 9}-{STEP + 9}/*') == (308, held)
  assert api.send(where, b'c', f'{STEP}-{STEP}/*') == (308, held)
  last = f'{STEP}-{STEP}/{STEP + 1}'
  assert api.send(where, b'b', last)[0] == 200
  assert api.send(where, b'', f'*/{STEP + 1}')[0] == 200
  assert api.get('r').content == b'a' * STEP + b'b'


def test_a_session_of_one_request(api: Api) -> None:
  where = api.session('r').headers['Location']
  assert requests.put(where, data=TEN, timeout=20).status_code == 200
  assert api.get('r').content == TEN


@pytest.mark.parametrize('kind', ['media', 'multipart', 'resumable', 'xml'])
def test_preconditions_of_writes(api: Api, kind: str) -> None:
  def write(data: bytes, match: int) -> int:
    if kind == 'media':
      return api.put('x', data, ifGenerationMatch=match).status_code
    if kind == 'multipart':
      made = api.multipart({'name': 'x'}, data, ifGenerationMatch=match)
      return made.status_code
    if kind == 'xml':
      url = f'{api.url}/{api.bucket}/x'
      given = {'x-goog-if-generation-match': str(match)}
      answer = requests.put(url, data=data, headers=given, timeout=20)
      return answer.status_code
    begun = api.session('x', ifGenerationMatch=match)
    if begun.status_code != 200:
      return begun.status_code
    return api.send(begun.headers['Location'], data, f'0-{len(data) - 1}/*')[0]

  if kind == 'resumable':  # The condition holds at the end too.
    begun = api.session('x', ifGenerationMatch=0)
    api.put('x', b'first')
    sent = requests.put(begun.headers['Location'], data=b'late', timeout=20)
    assert sent.status_code == 412
    assert write(b'second', 0) == 412
    return
  assert write(b'first', 0) == 200
  assert write(b'second', 0) == 412
  generation = int(api.about('x')['generation'])
  assert write(b'second', generation) == 200
  assert write(b'third', generation) == 412
  assert api.get('x').content == b'second'


def test_of_sixteen_writers_one_wins(api: Api) -> None:
  def write(number: int) -> int:
    return api.put('x', b'%d' % number, ifGenerationMatch=0).status_code

  with ThreadPoolExecutor(16) as pool:
    codes = sorted(pool.map(write, range(16)))
  assert codes == [200] + [412] * 15


def test_preconditions_of_reads_and_deletes(api: Api) -> None:
  old = api.put('x', b'1').json()['generation']
  new = api.put('x', b'2').json()['generation']
  assert api.get('x', ifGenerationMatch=old).status_code == 412
  assert api.get('x', ifGenerationMatch=new).content == b'2'
  assert api.get('x', ifGenerationNotMatch=new).status_code == 304
  assert api.get('x', generation=old).status_code == 404
  assert api.delete('x', ifGenerationMatch=old) == 412
  assert api.delete('x', ifGenerationMatch=new) in (200, 204)
  assert api.delete('x') == 404
  assert api.get('x', ifGenerationMatch=new).status_code == 404


def test_checksums_that_were_sent(api: Api) -> None:
  wrong = base64.b64encode(b'\0' * 4).decode()
  for checksum, status in ((wrong, 400), (crc32c(TEN), 200)):
    made = api.multipart({'name': 'x', 'crc32c': checksum}, TEN)
    assert made.status_code == status


def test_lists(api: Api) -> None:
  for name in ('l/1', 'l/2', 'l/d/3', 'l/d/4', 'l/e/5', 'm'):
    api.put(name, b'x')
  assert api.names(prefix='l/d/') == ['l/d/3', 'l/d/4']
  listed = api.listed(prefix='l/', delimiter='/')
  assert [one['name'] for one in listed['items']] == ['l/1', 'l/2']
  assert sorted(listed['prefixes']) == ['l/d/', 'l/e/']
  assert api.names(prefix='l/', startOffset='l/2', endOffset='l/d/4') == [
    'l/2',
    'l/d/3',
  ]
  found: list[str] = []
  query: dict[str, Any] = {'prefix': 'l/', 'maxResults': 2}
  for _ in range(3):
    page = api.listed(**query)
    found += [one['name'] for one in page['items']]
    query['pageToken'] = page.get('nextPageToken')
  assert found == ['l/1', 'l/2', 'l/d/3', 'l/d/4', 'l/e/5']
  assert query['pageToken'] is None


def test_a_copy_within_the_service(api: Api) -> None:
  api.multipart({'name': 'x', 'metadata': {'k': 'v'}}, TEN)
  to = f'{api.url}/storage/v1/b/{api.bucket}/o/x/rewriteTo/b/{api.bucket}/o/y'
  answer = requests.post(to, json={}, timeout=20).json()
  assert answer['done']
  assert answer['resource']['crc32c'] == crc32c(TEN)
  assert api.get('y').content == TEN


def test_what_is_missing(api: Api) -> None:
  answer = api.get('none')
  assert answer.status_code == 404
  nowhere = dataclasses.replace(api, bucket='no-such-bucket')
  assert nowhere.put('x', b'').status_code == 404
  assert nowhere.get('x').status_code == 404
  url = f'{api.url}/storage/v1/b/no-such-bucket/o'
  assert requests.get(url, timeout=20).status_code == 404


@pytest.mark.parametrize(
  'name', ['a b+c%20#ü?.txt', 'x/./y', 'a//b', '[*]', '日本語/é', 'x&y=z']
)
def test_odd_names(api: Api, name: str) -> None:
  api.put(name, TEN)
  assert api.get(name).content == TEN
  assert api.names() == [name]
  assert api.delete(name) in (200, 204)


def test_an_object_beside_a_folder_of_its_name(api: Api) -> None:
  api.put('x', b'1')
  api.put('x/y', b'2')
  assert (api.get('x').content, api.get('x/y').content) == (b'1', b'2')
  assert api.names() == ['x', 'x/y']


def test_objects_by_xml(api: Api) -> None:
  """As TensorFlow reads them: the slashes of a name are escaped."""
  api.put('a/x', TEN)
  for url in (f'{api.url}/{api.bucket}/a/x', f'{api.url}/{api.bucket}/a%2Fx'):
    assert requests.get(url, timeout=20).content == TEN
    part = requests.get(url, headers={'Range': 'bytes=2-3'}, timeout=20)
    assert (part.status_code, part.content) == (206, b'23')
    head = requests.head(url, timeout=20)
    assert (head.status_code, head.headers['Content-Length']) == (200, '10')


def test_what_is_asked_of_a_bucket(served: Door, api: Api) -> None:
  url = f'{api.url}/storage/v1/b/{api.bucket}'
  assert requests.get(url, timeout=20).json()['name'] == api.bucket
  layout = requests.get(f'{url}/storageLayout', timeout=20).json()
  assert layout['hierarchicalNamespace'] == {'enabled': False}
  asked = [('permissions', f'storage.objects.{x}') for x in ('get', 'create')]
  served.api.lacking = {'storage.objects.create'}
  permitted = requests.get(f'{url}/iam/testPermissions', asked, timeout=20)
  assert permitted.json()['permissions'] == ['storage.objects.get']


def test_who_pays(served: Door, api: Api) -> None:
  served.api.payers[api.bucket] = {'mine'}
  assert api.put('x', b'1').status_code == 400
  assert api.put('x', b'1', userProject='other').status_code == 403
  assert api.put('x', b'1', userProject='mine').status_code == 200


def test_one_write_a_second(served: Door, api: Api) -> None:
  served.api.seconds_between_writes = 1.0
  assert api.put('x', b'1').status_code == 200
  assert api.put('x', b'2').status_code == 429
  assert api.put('y', b'2').status_code == 200

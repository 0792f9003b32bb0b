"""Tests of bounded streams: gzip is unpacked, damage and bombs are named."""

import contextlib
import gzip

import pytest

from biobert_jax.errors import InputError
from biobert_jax.io import streams


@pytest.mark.parametrize('packed', [False, True])
def test_bytes_come_once_and_in_order(tmp_path, packed):
  content = bytes(range(256)) * 1000
  path = tmp_path / 'x'
  path.write_bytes(gzip.compress(content) if packed else content)
  with streams.open_stream(path) as stream:
    assert stream.packed == packed
    assert stream.head(10) == content[:10]
    assert stream.read(4) == content[:4]
    assert stream.head(3) == content[4:7]
    assert b''.join(stream.chunks()) == content[4:]
    assert stream.read() == b''


def test_lines_keep_their_ends(tmp_path):
  path = tmp_path / 'x'
  path.write_bytes(b'a\r\n\nb' + b'c' * streams.CHUNK)
  with streams.open_stream(path) as stream:
    lines = list(stream.lines())
  assert lines == [b'a\r\n', b'\n', b'b' + b'c' * streams.CHUNK]


def test_a_line_that_is_too_long_is_numbered(tmp_path, monkeypatch):
  monkeypatch.setattr(streams, 'MAX_LINE', 10)
  path = tmp_path / 'x'
  path.write_bytes(b'short\n' + b'long' * 10)
  with streams.open_stream(path) as stream:
    lines = iter(stream.lines())
    assert next(lines) == b'short\n'
    with pytest.raises(InputError, match=r'x:2: a line of more than 10 bytes'):
      next(lines)


def test_a_cut_file_says_how_far_it_was_read(tmp_path):
  path = tmp_path / 'x'
  path.write_bytes(gzip.compress(b'abc' * 100)[:-4])
  with (
    streams.open_stream(path) as stream,
    pytest.raises(InputError, match='cut or damaged after .*; download'),
  ):
    list(stream.chunks())


@pytest.mark.parametrize('content', [bytes(2**25), b'a\n' * 2**24])
@pytest.mark.parametrize('inside', [False, True])
def test_a_bomb_is_refused_before_it_has_unpacked_far(
  tmp_path, content, inside
):
  path, taken = tmp_path / 'x', 0
  path.write_bytes(gzip.compress(content))
  with streams.open_stream(path) as stream:
    if inside:  # Of an archive, say.
      raw = path.read_bytes()
      parts = [raw[i : i + 2**16] for i in range(0, len(raw), 2**16)]
      member = streams.Stream('x', lambda _: parts.pop(0) if parts else b'')
      stream = streams.unpacked(member)  # noqa: PLW2901
    with contextlib.suppress(InputError):
      for chunk in stream.chunks():
        taken += len(chunk)
    with pytest.raises(InputError, match='more than 100 times its size'):
      next(stream.chunks())
  assert not taken


def test_text_that_repeats_itself_is_no_bomb(tmp_path):
  path = tmp_path / 'x'
  rows = [f'{n % 7919}\tAspirin relieves pain\tO\n' for n in range(10**5)]
  content = ''.join(rows).encode()
  packed = gzip.compress(content, 9)
  assert len(content) > 8 * len(packed)
  path.write_bytes(packed + gzip.compress(content, 9))  # Two members.
  with streams.open_stream(path) as stream:
    assert sum(map(len, stream.chunks())) == 2 * len(content)


def test_no_such_file(tmp_path):
  with pytest.raises(InputError, match='cannot read: No such file'):
    streams.open_stream(tmp_path / 'x').__enter__()

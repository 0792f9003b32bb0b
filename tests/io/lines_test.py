"""Text is cut at newlines only; faults of its encoding name their line."""

import io
from collections import Counter

import pytest

from biobert_jax.errors import InputError
from biobert_jax.io import lines


def test_lines_end_at_newlines_alone(tmp_path):
  path = tmp_path / 'text'
  path.write_bytes('\ufeffa\r\nb\u2028c\x0cd\n\ne'.encode())
  counts = Counter()
  found = list(lines.read_lines(path, counts))
  assert found == [(1, 'a'), (2, 'b\u2028c\x0cd'), (3, ''), (4, 'e')]
  assert counts == {'byte_order_marks': 1, 'crlf_lines': 1}
  assert lines.read_text(str(path)).startswith('a\r\nb')


def test_faults_name_the_place(tmp_path):
  path = tmp_path / 'text'
  path.write_bytes(b'a\nb\xff\n')
  for read in (
    lambda: list(lines.read_lines(path, Counter())),
    lambda: lines.read_text(str(path)),
  ):
    with pytest.raises(InputError, match=f'{path}:2: .*not UTF-8'):
      read()
  for read in (lines.read_text, lambda p: list(lines.read_lines(p, Counter()))):
    with pytest.raises(InputError, match='absent: cannot'):
      read(str(tmp_path / 'absent'))


def test_names_of_sources(tmp_path):
  assert lines.source_name('-') == '<stdin>'
  assert lines.source_name(tmp_path) == str(tmp_path)
  assert lines.source_name(io.StringIO()) == '<stream>'

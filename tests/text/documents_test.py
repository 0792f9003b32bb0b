"""Words of raw text, and reading plain text, PubTator and JSONL.

Also of `text/readers/pubtator.py`.
"""

import collections
import io
import itertools
import json
import re
import sys

import hypothesis
import pytest
from hypothesis import strategies as st

from biobert_jax.errors import InputError
from biobert_jax.text import documents
from biobert_jax.text.documents import Document, Entity
from biobert_jax.text.readers import any_format
from biobert_jax.text.readers import pubtator as readers_pubtator

PUBTATOR = (
  '10|t|Ataxia in BRCA1 carriers.\n'
  '10|a|Breast cancer is common.\n'
  '10\t0\t6\tAtaxia\tDisease\tD001259\n'
  '10\t26\t39\tBreast cancer\tDisease\tD001943\n'
  '\n'
  '11|t|No abstract here\n'
  '11|a|\n'
)


def words(text):
  return [text[start:end] for start, end in documents.split_words(text)]


@pytest.mark.parametrize(
  ('text', 'expected'),
  [
    ('IL-2 (p53)', ['IL', '-', '2', '(', 'p53', ')']),
    ('5 µg/ml', ['5', 'µg', '/', 'ml']),
    ('TNF-α', ['TNF', '-', 'α']),
    ('cafe\u0301 naïve', ['cafe\u0301', 'naïve']),
    ('a\u00a0b\u2009c\u3000d\x85e\u2028f', list('abcdef')),
    ('soft\u00adware', ['soft\u00adware']),
    ('\u200bx\u200b \u200b y\u00ad', ['x', 'y']),
    ('a\x00b \x00', ['a\x00b']),
    ('snake_case', ['snake', '_', 'case']),
    ('x²½Ⅷ', ['x²½Ⅷ']),
    ('😀\U0001d400🧬', ['😀', '\U0001d400', '🧬']),
    ('\uf061-chain', ['\uf061', '-', 'chain']),
    ('日本 癌', ['日本', '癌']),
    ('', []),
    (' \t\n', []),
  ],
)
def test_split_words(text, expected):
  assert words(text) == expected


@hypothesis.given(st.text())
def test_words_cover_all_but_spaces_and_controls(text):
  spans = documents.split_words(text)
  flat = list(itertools.chain.from_iterable(spans))
  assert flat == sorted(flat)
  left = list(text)
  for start, end in spans:
    assert start < end
    assert not re.search(r'\s', text[start:end])
    left[start:end] = ' ' * (end - start)
  rest = ''.join(left)
  # What is no word is blank, control (Cc) or format (Cf): never a letter.
  assert not re.search(r'\w', rest)
  assert all(not c.isprintable() or c == ' ' for c in rest)


def test_split_words_is_linear_in_hostile_text():
  text = ('a' + '\u200b' * 100_000) * 2 + '\u200b' * 100_000
  assert len(documents.split_words(text)) == 1


@pytest.mark.parametrize(
  ('entities', 'tags', 'counts'),
  [
    ([(0, 4, 'T')], ['B-T', 'O', 'O', 'O'], {}),
    ([(0, 9, 'T')], ['B-T', 'I-T', 'O', 'O'], {}),
    ([(0, 4, ''), (5, 9, '')], ['B', 'B', 'O', 'O'], {}),
    ([(0, 4, 'a b')], ['B-a_b', 'O', 'O', 'O'], {}),
    (
      [(1, 7, 'T')],
      ['B-T', 'I-T', 'O', 'O'],
      {'entities_widened_to_words': 1},
    ),
    (
      [(5, 7, 'T')],
      ['O', 'B-T', 'O', 'O'],
      {'entities_widened_to_words': 1},
    ),
    ([(9, 10, 'T')], ['O', 'O', 'O', 'O'], {'entities_without_words': 1}),
    (
      [(5, 7, 'T'), (7, 14, 'U')],
      ['O', 'B-T', 'O', 'O'],
      {'entities_widened_to_words': 1, 'entities_sharing_a_word': 1},
    ),
    (
      [(0, 4, 'T'), (0, 9, 'U')],
      ['B-U', 'I-U', 'O', 'O'],
      {'overlapping_mentions_dropped': 1},
    ),
    ([(10, 14, 'T'), (0, 4, 'T')], ['B-T', 'O', 'B-T', 'O'], {}),
  ],
)
def test_tag_words(entities, tags, counts):
  text = 'lung cell gene.'
  seen = collections.Counter()
  made = [Entity(s, e, kind, text[s:e]) for s, e, kind in entities]
  assert documents.tag_words(documents.split_words(text), made, seen) == tags
  assert dict(seen) == counts


def test_of_overlapping_entities_the_longest_then_the_first_wins():
  made = [
    Entity(s, e, 'T', 'x' * (e - s)) for s, e in [(0, 3), (2, 8), (7, 10)]
  ]
  assert documents.without_overlaps(made) == [made[1]]
  made = [Entity(s, e, 'T', 'xxx') for s, e in [(2, 5), (0, 3), (5, 8)]]
  assert documents.without_overlaps(made) == [made[1], made[2]]


def test_plain_text_is_a_document_a_line(tmp_path):
  path = tmp_path / 'text.txt'
  path.write_bytes('\ufeffOne  \r\n\n \t\nbare\rreturn\u2028too'.encode())
  counts = collections.Counter()
  got = list(any_format.read_documents(path, counts))
  assert got == [Document('1', 'One  '), Document('4', 'bare\rreturn\u2028too')]
  assert (got[1].path, got[1].line) == (str(path), 4)
  assert counts == {'byte_order_marks': 1, 'crlf_lines': 1, 'blank_lines': 2}


def test_blank_lines_before_plain_text_are_counted_and_numbered():
  counts = collections.Counter()
  got = any_format.read_documents(io.BytesIO(b'\n \nthird\n'), counts)
  assert list(got) == [Document('3', 'third')]
  assert counts == {'blank_lines': 2}
  assert not list(any_format.read_documents(io.BytesIO(b'\n\n')))


def test_a_bar_alone_makes_no_pubtator():
  text = 'p|t|value\n10|b|x\n'
  got = any_format.read_documents(io.BytesIO(text.encode()))
  assert [d.text for d in got] == ['p|t|value', '10|b|x']


def test_standard_input(monkeypatch):
  monkeypatch.setattr(
    sys, 'stdin', io.TextIOWrapper(io.BytesIO('α β\n'.encode()))
  )
  assert [d.text for d in any_format.read_documents('-')] == ['α β']


def test_plain_text_and_pubtator_are_read_as_they_come():
  def endless(line):
    for number in itertools.count(1):
      yield line.format(number).encode()

  plain = any_format.read_documents(endless('line {}\n'))
  assert [d.text for d in itertools.islice(plain, 2)] == ['line 1', 'line 2']
  pubtator = any_format.read_documents(endless('{0}|t|line {0}\n'))
  assert next(pubtator).text == 'line 1'


@pytest.mark.parametrize('name', ['absent.txt', '.'])
def test_an_unreadable_file_is_named(tmp_path, name):
  with pytest.raises(InputError, match=re.escape(str(tmp_path / name))):
    list(any_format.read_documents(tmp_path / name))


def test_bytes_that_are_not_utf8_are_found_by_line(tmp_path):
  path = tmp_path / 'text.txt'
  path.write_bytes(b'good\nbad \xb5g\n')
  lines = any_format.read_documents(path)
  assert next(lines).text == 'good'
  with pytest.raises(InputError, match=rf'^{path}:2: byte 0xb5 is not UTF-8'):
    next(lines)


def test_pubtator(tmp_path):
  path = tmp_path / 'corpus.txt'
  path.write_text('\n' + PUBTATOR)
  counts = collections.Counter()
  got = readers_pubtator.read_pubtator(path, counts)
  text = 'Ataxia in BRCA1 carriers.\nBreast cancer is common.'
  entities = (
    Entity(0, 6, 'Disease', 'Ataxia', concept='D001259'),
    Entity(26, 39, 'Disease', 'Breast cancer', concept='D001943'),
  )
  assert got == [
    Document('10', text, entities, title_length=25),
    Document('11', 'No abstract here'),
  ]
  assert [d.line for d in got] == [2, 7]
  assert not counts
  assert list(any_format.read_documents(path)) == got


@pytest.mark.parametrize(
  ('lines', 'expected', 'counts'),
  [
    (['10\tCID\tD1\tD2\tNovel\tmore'], [], {'columns_dropped': 1}),
    (
      ['10\t26\t32\tBreast\tD', '10\t26\t39\tBreast cancer\tD'],
      ['Breast', 'Breast cancer'],
      {},
    ),
    (
      ['10\t26\t32\tBreast  \tD'],
      ['Breast'],
      {'mentions_with_trailing_blanks': 1},
    ),
    (
      ['10\t26\t33\tBreast\tD'],
      ['Breast'],
      {'mentions_with_trailing_blanks': 1},
    ),
    # A mention over the end of the title holds any one blank there.
    (['10\t16\t32\tcarriers. Breast\tD'], ['carriers.\nBreast'], {}),
  ],
)
def test_pubtator_exceptions_are_counted(tmp_path, lines, expected, counts):
  path = tmp_path / 'corpus.txt'
  head = PUBTATOR.split('\n')[:2]
  path.write_text('\n'.join(head + lines))
  seen = collections.Counter()
  (document,) = readers_pubtator.read_pubtator(path, seen)
  assert [entity.text for entity in document.entities] == expected
  assert all(
    document.text[e.start : e.end] == e.text for e in document.entities
  )
  assert dict(seen) == counts


def test_of_a_repeated_document_the_first_stays(tmp_path):
  path = tmp_path / 'corpus.txt'
  path.write_text(PUBTATOR + '\n10|t|Again\n')
  counts = collections.Counter()
  got = readers_pubtator.read_pubtator(path, counts)
  assert [d.text[:6] for d in got] == ['Ataxia', 'No abs']
  assert counts == {'repeated_documents_dropped': 1}


@pytest.mark.parametrize(
  ('line', 'where', 'what'),
  [
    ('10\t0\t6\tataxia\tDisease', 3, "hold 'Ataxia', not 'ataxia'"),
    ('10\t0\t99\tAtaxia\tDisease', 3, 'not .Ataxia.'),
    ('10\t99\t105\tAtaxia\tDisease', 3, "hold '', not"),
    ('10\t6\t0\tAtaxia\tDisease', 3, "hold '', not"),
    ('10\t3\t3\t\tDisease', 3, '3 to 3 is not inside'),
    ('10\t43\t99\tcommon.\tDisease', 3, '43 to 99 is not inside'),
    ('10\t0\t6\tAtaxia', 3, 'want id, start, end'),
    ('10\t-1\t6\tAtaxia\tDisease', 3, 'want id, start, end'),
    ('10\t0\t' + '9' * 5000 + '\tAtaxia\tDisease', 3, 'want id, start, end'),
    ('10 0 6 Ataxia Disease', 3, 'belongs to no document'),
    ('12\t0\t6\tAtaxia\tDisease', 3, 'belongs to no document'),
    ('10|a|Another abstract', 3, 'has this part already'),
    ('\n13|a|Only an abstract', 4, 'no `13.t.` line'),
  ],
)
def test_malformed_pubtator_is_found_by_line(tmp_path, line, where, what):
  path = tmp_path / 'corpus.txt'
  head = PUBTATOR.split('\n')[:2]
  path.write_text('\n'.join([*head, line]))
  with pytest.raises(InputError, match=rf'^{path}:{where}: .*{what}') as caught:
    readers_pubtator.read_pubtator(path, collections.Counter())
  assert '\n' not in str(caught.value)
  assert len(str(caught.value)) < 400


HOSTILE = st.sampled_from(
  ['\t', '|t|', '|a|', '\n', '\n\n', '\r', '0', '-1', '\x00', '\ufeff', '😀']
)
EDIT = st.tuples(st.integers(0, len(PUBTATOR)), st.integers(0, 3), HOSTILE)


def test_damaged_pubtator_ends_in_an_error_or_in_true_offsets(tmp_path):
  path = tmp_path / 'corpus.txt'
  outcomes = collections.Counter()

  @hypothesis.settings(max_examples=200, deadline=None, derandomize=True)
  @hypothesis.given(st.lists(EDIT, max_size=3))
  def check(edits):
    text = PUBTATOR
    for at, cut, insert in edits:
      text = text[:at] + insert + text[at + cut :]
    path.write_text(text, newline='')
    got, error = [], ''
    try:
      got = readers_pubtator.read_pubtator(path, collections.Counter())
    except InputError as caught:
      error = str(caught)
    outcomes['refused' if error else 'read'] += 1
    assert not error or re.match(rf'{path}:\d+: .', error)
    for document in got:
      for entity in document.entities:
        assert document.text[entity.start : entity.end] == entity.text

  check()
  assert min(outcomes['refused'], outcomes['read']) >= 20


def json_lines(tmp_path, *rows):
  path = tmp_path / 'rows.jsonl'
  lines = [r if isinstance(r, str) else json.dumps(r) for r in rows]
  path.write_text('\n'.join(lines), 'utf-8')
  return path


def test_jsonl_gives_back_what_is_written(tmp_path):
  written = [
    Document('a', 'Naïve 🧪 cells', (Entity(6, 7, 'Tool', '🧪', 0.25),)),
    Document('b', ''),
    Document('d', 'Title. Body.', (), 6),
    # Of overlapping mentions all are kept.
    Document('c', 'ab', (Entity(0, 2, '', 'ab'), Entity(1, 2, 'T', 'b'))),
  ]
  path = tmp_path / 'out.jsonl'
  documents.write_jsonl(written, path)
  got = list(any_format.read_documents(path))
  assert got == written
  assert (got[3].path, got[3].line) == (str(path), 4)


def test_jsonl_may_leave_out_what_is_not_needed(tmp_path):
  entity = {'start': 0, 'end': 1, 'type': 'T'}
  path = json_lines(
    tmp_path, '', {'id': 7, 'text': 'x', 'entities': [entity]}, {'text': 'y'}
  )
  assert list(any_format.read_documents(path)) == [
    Document('7', 'x', (Entity(0, 1, 'T', 'x'),)),
    Document('3', 'y'),
  ]


def test_a_brace_alone_makes_no_jsonl():
  text = '{x | x > 0} is a set\n{"a": 1}\n'
  got = any_format.read_documents(io.BytesIO(text.encode()))
  assert [d.text for d in got] == text.splitlines()


@pytest.mark.parametrize(
  ('row', 'what'),
  [
    ('{"id": "1", "text": "x"', r'not JSON \('),
    ('{"id": ' + '[' * 100_000, r'not JSON \('),
    ('{"text": "half \\ud83e"}', r'not JSON \(.*surrogate'),
    ('["id"]', 'want an object with some of'),
    ({'id': '1'}, 'want an object with some of'),
    ({'text': 'x', 'entities': None}, 'want {"id"'),
    ({'text': 'x', 'title_length': 2}, 'title_length 2 is not inside'),
    ({'text': 'x', 'title_length': True}, 'title_length True is not inside'),
    ({'text': 'x', 'entities': ['x']}, "an entity needs .* got 'x'"),
    ('{"text": "x", "entities": [{"start": true}]}', 'an entity needs'),
    (
      {'text': 'x', 'entities': [{'start': 0, 'end': 2, 'type': 'T'}]},
      '0 to 2 is not inside a text of 1 characters',
    ),
    (
      {'text': 'x', 'entities': [{'start': 1, 'end': 1, 'type': 'T'}]},
      '1 to 1 is not inside',
    ),
    (
      {
        'text': 'xy',
        'entities': [{'start': 0, 'end': 1, 'type': 'T', 'text': 'y'}],
      },
      "offsets 0 to 1 hold 'x', not 'y'",
    ),
  ],
)
def test_malformed_jsonl_is_found_by_line(tmp_path, row, what):
  path = json_lines(tmp_path, {'id': '0', 'text': 'fine'}, row)
  with pytest.raises(InputError, match=rf'^{path}:2: {what}') as caught:
    list(any_format.read_documents(path))
  assert '\n' not in str(caught.value)
  assert len(str(caught.value)) < 400

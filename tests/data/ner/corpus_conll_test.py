"""One row of bad or odd input each: refused with its line, or counted."""

import collections
import re

import hypothesis
import pytest
from hypothesis import strategies as st

from biobert_jax.data.ner import corpus as conll
from biobert_jax.errors import InputError


def read(tmp_path, content, **options):
  path = tmp_path / 'corpus.tsv'
  path.write_bytes(content if isinstance(content, bytes) else content.encode())
  counts = collections.Counter()
  sentences = conll.read_columns(path, counts, **options)
  return [(s.tokens, s.tags) for s in sentences], dict(counts)


ONE = [(('a', 'b'), ('B', 'O'))]


def test_a_plain_corpus(tmp_path):
  text = 'Lung\tB\ncancer\tI\n.\tO\n\nNo\tO\n\n'
  got, counts = read(tmp_path, text)
  assert got == [
    (('Lung', 'cancer', '.'), ('B', 'I', 'O')),
    (('No',), ('O',)),
  ]
  assert counts == {}


def test_sentences_know_where_they_stand(tmp_path):
  path = tmp_path / 'corpus.tsv'
  path.write_text('\n-DOCSTART-\tO\n\n\na\tB\nb\tO\n\nc\tO')
  first, second = conll.read_columns(path, collections.Counter())
  assert (first.path, first.line, second.line) == (str(path), 5, 8)
  assert first.line_of(1) == 6


@pytest.mark.parametrize(
  ('text', 'counts'),
  [
    ('a\tB\nb\tO', {}),
    ('\n\na\tB\nb\tO\n\n\n\n', {}),
    ('\ufeffa\tB\nb\tO\n', {'byte_order_marks': 1}),
    ('a\tB\r\nb\tO\r\n\r\n', {'crlf_lines': 3}),
    (' \na\tB\nb\tO\n\t\n', {'blank_lines_with_spaces': 2}),
    ('-DOCSTART-\tO\n\na\tB\nb\tO\n', {'document_marks': 1}),
    ('###MEDLINE:95369245\n\na\tB\nb\tO\n', {'document_marks': 1}),
    ('a\tNN\tO\tB\nb\tNN\tO\tO\n', {}),
    (
      '-DOCSTART- -X- O O\n\na NN O B\nb   NN O O\n',
      {'document_marks': 1, 'space_separated_files': 1},
    ),
  ],
)
def test_forms_of_one_sentence(tmp_path, text, counts):
  assert read(tmp_path, text) == (ONE, counts)


def test_a_document_mark_ends_a_sentence(tmp_path):
  got, _ = read(tmp_path, 'a\tB\n-DOCSTART-\tO\nb\tO\n')
  assert [tokens for tokens, _ in got] == [('a',), ('b',)]
  # A word that only begins like a mark is a word.
  got, counts = read(tmp_path, '-DOCSTART-ed\tO\n')
  assert (got[0][0], counts) == (('-DOCSTART-ed',), {})


@pytest.mark.parametrize(
  ('token', 'counted'),
  [
    ('\u00a0', 'invisible_tokens'),
    ('\u200b', 'invisible_tokens'),
    ('\u00ad', 'invisible_tokens'),
    ('\u200f', 'invisible_tokens'),
    ('\x96', 'invisible_tokens'),
    ('\ufffd', 'invisible_tokens'),
    ('a\x85b', 'tokens_with_line_separators'),
    ('a\x0bb', 'tokens_with_line_separators'),
    ('a\u2028b', 'tokens_with_line_separators'),
    ('a b', 'tokens_with_spaces'),
    ('x' * 201, 'tokens_over_200_chars'),
  ],
)
def test_odd_tokens_are_kept_and_counted(tmp_path, token, counted):
  got, counts = read(tmp_path, f'{token}\tB\nb\tO\n')
  assert got == [((token, 'b'), ('B', 'O'))]
  assert counts == {counted: 1}


@pytest.mark.parametrize(
  'token', ['x' * 200, 'µ', 'e\u0301', '😀', '\U0001d400', '\uf061', 'a\u200bb']
)
def test_any_visible_token_is_ordinary(tmp_path, token):
  assert read(tmp_path, f'{token}\tO\n') == ([((token,), ('O',))], {})


@pytest.mark.parametrize('token', ['\u00a0', '\u200b', '\u00ad'])
def test_strict_refuses_invisible_tokens(tmp_path, token):
  with pytest.raises(InputError, match=r'tsv:2: token .* is invisible'):
    read(tmp_path, f'a\tB\n{token}\tO\n', strict=True)


@pytest.mark.parametrize(
  ('text', 'line', 'what'),
  [
    ('', 1, 'holds no sentence'),
    ('\n \n-DOCSTART-\tO\n', 1, 'holds no sentence'),
    ('a\tB\n\tO\n', 2, 'is empty'),
    ('a\tB\n \tO\n', 2, 'is empty'),
    ('a\n', 1, "token 'a' has no tag"),
    ('a\tB\nb\n', 2, "line 1 has 2: token 'b' has no tag"),
    ('a\tB\nb\t\n', 2, "token 'b' has no tag after its tab"),
    ('a\tB\nb O\n', 2, 'a space where a tab belongs'),
    ('a B\n', 1, r"tab belongs: convert with sed 's/ "),
    ('a NN B\n', 1, 'tab belongs: convert with sed'),
    ('a\tNN\tB\n', 1, '3 columns; want 2'),
    ('a\tB\nb\tO\t\n', 2, '3 columns, but line 1 has 2'),
    ('a\tB\nb\tx\tx\tO\n', 2, '4 columns, but line 1 has 2'),
    ('a x x B\nb x O\n', 2, '3 columns, but line 1 has 4, separated by spaces'),
    ('a x x B\nb\tO\n', 2, '1 columns, but line 1 has 4'),
    ('a\tB\rb\tO\n', 1, 'carriage return inside the line'),
    ('a\tB\n\u2028\n', 2, 'has no tag'),
    (b'a\tB\n\xff\tO\n', 2, 'byte 0xff is not UTF-8'),
    ('a\tB\n'.encode('utf-16'), 1, 'byte 0xff is not UTF-8'),
    ('a\tB\nb\tX\n', 2, 'a tag is not O or one of B, I, with -Type or not'),
    ('a\tB-x\nb\tI_x\n', 2, 'write - between'),
    ('a\tB\nb\tB-\n', 2, 'a tag is not O'),
    ('a\tB\nb\tO \n', 2, "'O '"),
    ('a\tb\nb\to\n', 1, 'as a capital'),
    ('a\tB-x\nb\tS-x\n', 2, 'IOBES, pass --config.data.scheme=iobes'),
    ('a\tB-x\nb\tL-x\n', 2, 'BILOU, pass --config.data.scheme=bilou'),
    ('a\tO\nb\tDrug\n', 2, 'IO, pass --config.data.scheme=io'),
    ('a\tB-x\nb\tI\nc\tI-x\n', 2, "some have none; .*:2 'b' 'I'"),
    ('a\tB\nb\tI\nc\tI-x\n', 3, "some have none; .*:3 'c' 'I-x'"),
  ],
)
def test_bad_lines_are_found(tmp_path, text, line, what):
  path = tmp_path / 'corpus.tsv'
  with pytest.raises(InputError, match=rf'^{path}:{line}: .*{what}') as caught:
    read(tmp_path, text)
  assert '\n' not in str(caught.value)


def test_the_first_five_unknown_tags_are_listed(tmp_path):
  path = tmp_path / 'corpus.tsv'
  text = 'a\tO\n\n' + 'word\tDISO\n' * 7
  with pytest.raises(InputError) as caught:
    read(tmp_path, text)
  places = [f"{path}:{line} 'word' 'DISO'" for line in range(3, 8)]
  assert str(caught.value).endswith(': ' + ', '.join(places) + ' and 2 more')
  assert len(read(tmp_path, text, scheme='io')[0]) == 2


def test_a_missing_file_is_named(tmp_path):
  with pytest.raises(InputError, match=r'none\.tsv: cannot read: No such file'):
    conll.read_columns(tmp_path / 'none.tsv', collections.Counter())


def test_an_unknown_scheme_is_refused(tmp_path):
  with pytest.raises(InputError, match="data.scheme is 'bieso'; choose from"):
    read(tmp_path, 'a\tB\n', scheme='bieso')


@pytest.mark.parametrize(
  ('tags', 'expected', 'counts'),
  [
    ('S O B E', 'B O B I', {'iobes_tags_converted': 2}),
    ('B I E S', 'B I I B', {'iobes_tags_converted': 2}),
    ('S-x B-y E-y', 'B-x B-y I-y', {'iobes_tags_converted': 2}),
    ('O B I O', 'O B I O', {}),
    (
      'S I',
      'B B',
      {'iobes_tags_converted': 1, 'iobes_tags_after_end': 1},
    ),
    (
      'B E E',
      'B I B',
      {'iobes_tags_converted': 2, 'iobes_tags_after_end': 1},
    ),
    ('O E', 'O I', {'iobes_tags_converted': 1, 'i_without_b': 1}),
  ],
)
def test_iobes_becomes_bio(tmp_path, tags, expected, counts):
  text = ''.join(f'w\t{tag}\n' for tag in tags.split())
  ((_, got),), seen = read(tmp_path, text, scheme='iobes')
  assert (' '.join(got), seen) == (expected, counts)


@pytest.mark.parametrize(
  ('tags', 'stray'),
  [
    ('I O', 1),
    ('O I I', 1),
    ('B I I', 0),
    ('B-x I-y', 1),
    ('B-x I-x O I-x', 1),
    ('B-x I-y I-x', 2),
  ],
)
def test_i_without_b_is_kept_and_counted(tmp_path, tags, stray):
  text = ''.join(f'w\t{tag}\n' for tag in tags.split())
  ((_, got),), counts = read(tmp_path, text)
  assert ' '.join(got) == tags
  assert counts.get('i_without_b', 0) == stray


def test_i_after_a_sentence_break_is_without_b(tmp_path):
  _, counts = read(tmp_path, 'a\tB\n\nb\tI\n')
  assert counts == {'i_without_b': 1}


VALID = (
  '-DOCSTART-\tO\n\n'
  'Familial\tO\nbreast\tB-Disease\ncancer\tI-Disease\n.\tO\n\n'
  'TNF\tB-Gene\n-\tI-Gene\nα\tI-Gene\nin\tO\nataxia\tB-Disease\n\n'
).encode()
HOSTILE = [
  *(b'\t', b'\n', b'\n\n', b'\r', b'\r\n', b' ', b'\xef\xbb\xbf', b'\xff'),
  *(b'\x00', b'\x0b', b'\xc2\x85', b'\xe2\x80\xa8', b'\xc2\xa0', b'\xc2\xad'),
  *(b'S-Gene', b'I-Gene', b'B', b'o', b'x\tO\n', b'-DOCSTART- ', b'y' * 300),
  *(b'###MEDLINE:1\n', b' \n', b'z\tNN\tO\tO\n', b'\xf0\x9f\x98\x80\tO\n'),
]
# Insert, replace, delete or repeat: (position, bytes cut, bytes put in).
BYTE_EDIT = st.tuples(
  st.integers(0, len(VALID)),
  st.sampled_from([0, 0, 1, 3, 20]),
  st.sampled_from(HOSTILE) | st.binary(max_size=2),
)
LINE_EDIT = st.tuples(
  st.integers(0, VALID.count(b'\n') - 1),
  st.sampled_from(['drop', 'twice', 'spaces', 'crlf', 'extra', 'lower', 'odd']),
  st.sampled_from(HOSTILE[9:15] + [b'\xe2\x80\x8b', b'\xef\xbf\xbd', b'a b']),
)


def damaged(line_edits, byte_edits):
  lines = VALID.split(b'\n')
  for at, kind, odd in line_edits:
    line = lines[at]
    tag = line.partition(b'\t')[2]
    lines[at] = {
      'drop': b'',
      'twice': line + b'\n' + line,
      'spaces': line.replace(b'\t', b' '),
      'crlf': line + b'\r',
      'extra': line + b'\tmore',
      'lower': line.lower(),
      'odd': odd + b'\t' + (tag or b'O'),
    }[kind]
  data = b'\n'.join(lines)
  for at, cut, insert in byte_edits:
    data = data[:at] + insert + data[at + cut :]
  return data


def content_lines(data):
  """How many gold tokens the bytes hold, counted without the reader."""
  lines = data.decode('utf-8-sig').split('\n')
  marks = re.compile(r'-DOCSTART-([\t ]|$)|###MEDLINE:')
  lines = [line.removesuffix('\r') for line in lines]
  return sum(bool(w.strip(' \t')) and not marks.match(w) for w in lines)


def test_500_hostile_corpora(tmp_path):
  """Each ends in one error with file and line, or in one tag a gold token."""
  path = tmp_path / 'corpus.tsv'
  outcomes = collections.Counter()

  @hypothesis.settings(max_examples=500, deadline=None, derandomize=True)
  @hypothesis.given(
    st.lists(LINE_EDIT, max_size=3),
    st.lists(BYTE_EDIT, max_size=2),
    st.sampled_from(['bio', 'iobes']),
    st.booleans(),
  )
  def check(line_edits, byte_edits, scheme, strict):
    data = damaged(line_edits, byte_edits)
    path.write_bytes(data)
    sentences, error = [], ''
    try:
      sentences = conll.read_columns(
        path, collections.Counter(), scheme=scheme, strict=strict
      )
    except InputError as caught:
      error = str(caught)
    outcomes['refused' if error else 'read'] += 1
    if error:
      place = re.match(rf'{re.escape(str(path))}:(\d+): .', error)
      assert place
      assert 1 <= int(place[1]) <= data.count(b'\n') + 1
      return
    assert all(len(s.tokens) == len(s.tags) > 0 for s in sentences)
    assert sum(len(s.tokens) for s in sentences) == content_lines(data)
    lines = data.decode('utf-8-sig').split('\n')
    for sentence in sentences:
      for index, token in enumerate(sentence.tokens):
        assert lines[sentence.line_of(index) - 1].startswith(token)
      assert all(re.fullmatch(r'O|[BI](-\S+)?', t) for t in sentence.tags)

  check()
  assert sum(outcomes.values()) >= 500
  assert min(outcomes['refused'], outcomes['read']) >= 100

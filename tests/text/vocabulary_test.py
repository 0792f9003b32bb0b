"""Vocabularies: files read strictly, and building that can be repeated."""

import json
import pathlib

import hypothesis
import pytest
from hypothesis import strategies as st

from biobert_jax.errors import InputError
from biobert_jax.text import vocabulary, wordpiece
from biobert_jax.text.vocabulary import SPECIALS, build_vocabulary
from tests.fixtures import google_tokenization
from tests.fixtures.hostile_text import TEXTS

SENTENCES = (
  'Mutations of BRCA1 and BRCA2 raise the risk of breast cancer.',
  'Breast cancer risk: the p53 mutation (IL-2) in 12 patients.',
  'β-catenin inhibits apoptosis; apoptosis of β-cells in diabetes.',
  'Patients with Sjögren syndrome received 5 µg/ml of cisplatin.',
)


def _fast(vocab: dict[str, int]) -> dict[str, object]:
  return {'model': {'continuing_subword_prefix': '##', 'vocab': vocab}}


def test_read_vocab_file(tmp_path: pathlib.Path) -> None:
  path = tmp_path / 'vocab.txt'
  # White space is trimmed; U+2028 inside a piece does not end the line.
  path.write_bytes('[PAD]\r\n é \na\u2028b\n##x\n\n'.encode())
  expected = ('[PAD]', 'é', 'a\u2028b', '##x')
  assert vocabulary.read_vocab_file(path) == expected
  assert vocabulary.read_vocab_file(str(path)) == expected


@pytest.mark.parametrize(
  ('data', 'line', 'message'),
  [
    (b'a\nb\na\n', 3, "'a' is in line 1 too"),
    (b'a\nb\n a\n', 3, "'a' is in line 1 too"),
    (b'a\n\nb\n', 2, 'empty line'),
    (b'a\n \t\nb\n', 2, 'empty line'),
    (b'', 1, 'empty line'),
    (b'a\nb\n\xff\n', 3, 'not UTF-8'),
    (b'\xef\xbb\xbfa\n', 1, 'byte order mark'),
  ],
)
def test_bad_line_is_named(
  data: bytes, line: int, message: str, tmp_path: pathlib.Path
) -> None:
  path = tmp_path / 'vocab.txt'
  path.write_bytes(data)
  with pytest.raises(InputError, match=message) as caught:
    vocabulary.read_vocab_file(path)
  assert str(caught.value).startswith(f'{path}:{line}: ')
  assert '\n' not in str(caught.value)


def test_missing_file_is_named(tmp_path: pathlib.Path) -> None:
  with pytest.raises(InputError, match=r'none\.txt: cannot read'):
    vocabulary.read_vocab_file(tmp_path / 'none.txt')
  with pytest.raises(InputError, match='cannot read'):
    vocabulary.read_vocab_file(tmp_path)


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ({'model': {'type': 'BPE', 'vocab': {'a': 0}}}, 'not a WordPiece'),
    ({'model': {'continuing_subword_prefix': '##'}}, 'not a WordPiece'),
    ({}, 'not a WordPiece'),
    (_fast({'a': 0, 'b': 2}), 'not 0, 1'),
    (_fast({'a': 0, 'b': 0}), 'not 0, 1'),
    ([], 'not a JSON object'),
  ],
)
def test_bad_tokenizer_json(
  content: object, message: str, tmp_path: pathlib.Path
) -> None:
  path = tmp_path / 'tokenizer.json'
  path.write_text(json.dumps(content))
  with pytest.raises(InputError, match=rf'tokenizer\.json: .*{message}'):
    vocabulary.read_tokenizer_json(path)


def test_pieces_of_tokenizer_json_follow_their_ids(
  tmp_path: pathlib.Path,
) -> None:
  path = tmp_path / 'tokenizer.json'
  path.write_text(json.dumps(_fast({'b': 1, 'c': 2, 'a': 0})))
  assert vocabulary.read_tokenizer_json(path) == ('a', 'b', 'c')


def test_built_twice_is_built_the_same() -> None:
  first = build_vocabulary(SENTENCES, size=200)
  assert build_vocabulary(SENTENCES, size=200) == first
  # Only the counts of words matter, not where they stand.
  assert build_vocabulary([' '.join(SENTENCES[::-1])], size=200) == first


def test_specials_then_characters_then_merges() -> None:
  pieces = build_vocabulary(['ab ab', 'ab-b'], size=100)
  singles = ('-', '##-', 'a', '##a', 'b', '##b')
  assert pieces == (*SPECIALS, *singles, '##ab', 'ab')


def test_frequent_words_become_pieces() -> None:
  words = ['p53', 'TNFα', 'µm²', 'ﬁne', 'immunohistochemically']
  texts = [*SENTENCES, *[' '.join(words)] * 50]
  pieces = build_vocabulary(texts, size=400)
  tokenizer = wordpiece.WordPieceTokenizer(pieces, do_lower_case=False)
  assert tokenizer.tokenize(' '.join(words)) == words
  # The merges found last are rarer: a smaller vocabulary is a prefix.
  assert build_vocabulary(texts, size=150) == pieces[:150]


def test_tiny_corpus_gives_what_it_has() -> None:
  pieces = build_vocabulary(SENTENCES, size=2000)
  assert 100 < len(pieces) < 2000
  assert len(set(pieces)) == len(pieces)
  assert {'cancer', 'apoptosis', 'BRCA', 'Sjögren'} & set(pieces)


def test_lower_casing_strips_accents_too() -> None:
  pieces = build_vocabulary(SENTENCES, size=300, do_lower_case=True)
  text = ''.join(set(pieces).difference(SPECIALS))
  assert text == text.lower()
  assert 'ö' not in text
  assert 'β' in text


def test_least_size_is_told_and_enough() -> None:
  with pytest.raises(InputError, match='3 different.* at least 11'):
    build_vocabulary(['ab-'], size=10)
  assert len(build_vocabulary(['ab-'], size=11)) == 11


@pytest.mark.parametrize('texts', [[], [''], ['\u200b', ' \n'], ['\ud800']])
def test_no_words(texts: list[str]) -> None:
  with pytest.raises(InputError, match='no words'):
    build_vocabulary(texts, size=100)


def test_nothing_is_written(
  capfd: pytest.CaptureFixture[str],
  tmp_path: pathlib.Path,
  monkeypatch: pytest.MonkeyPatch,
) -> None:
  monkeypatch.chdir(tmp_path)
  build_vocabulary(SENTENCES, size=2000)
  assert capfd.readouterr() == ('', '')
  assert list(tmp_path.iterdir()) == []


@hypothesis.settings(max_examples=100, deadline=None, derandomize=True)
@hypothesis.given(
  texts=st.lists(TEXTS | st.text('ab▁<s>/\t1Σ', max_size=20), max_size=4),
  lower=st.booleans(),
)
def test_no_word_of_the_corpus_is_unknown(
  texts: list[str], lower: bool
) -> None:
  texts = [*(text.replace('\ud800', '') for text in texts), 'one']
  pieces = build_vocabulary(texts, size=600, do_lower_case=lower)
  assert len(pieces) <= 600
  tokenizer = wordpiece.WordPieceTokenizer(pieces, do_lower_case=lower)
  for text in texts:
    tokens = tokenizer.tokenize(text)
    # Other surrogates are the only characters left out.
    if not any('\ud800' <= char <= '\udfff' for char in text):
      assert '[UNK]' not in tokens
    assert tokens == google_tokenization.tokenize(text, set(pieces), lower)


def test_pieces_do_not_cross_punctuation() -> None:
  pieces = build_vocabulary(['IL-2 IL-2 a.b a.b (x) (x)'] * 20, size=300)
  for piece in set(pieces).difference(SPECIALS):
    words = google_tokenization.basic_words(piece.removeprefix('##'), False)
    assert len(words) == 1


def test_words_that_are_unknown_anyway_give_no_merges() -> None:
  singles = build_vocabulary(['A C G T'], size=100)
  assert build_vocabulary(['ACGT' * 51], size=100) == singles
  assert 'ACGT' in build_vocabulary(['ACGT' * 2000, 'ACGT ACGT'], size=100)


def test_sentencepieces_own_mark_is_not_a_word_start() -> None:
  pieces = build_vocabulary(['ab▁cd'] * 9, size=100)
  assert 'cd' not in pieces
  tokenizer = wordpiece.WordPieceTokenizer(pieces, do_lower_case=False)
  assert tokenizer.tokenize('ab▁') == ['a', '##b', '##▁']

"""The tokenizer: Google's pieces, offsets, files, and loud refusals."""

import json
import pathlib
import string

import hypothesis
import pytest
from hypothesis import strategies as st

from biobert_jax.errors import InputError
from biobert_jax.text import wordpiece
from biobert_jax.text.vocabulary import SPECIALS
from tests.fixtures import google_tokenization
from tests.fixtures.hostile_text import HOSTILE, TEXTS


def _toy_pieces(do_lower_case: bool) -> tuple[str, ...]:
  """Every character of the hostile rows, and some longer pieces."""
  words = ['MASK', 'BR', '##CA', 'cancer', 'can', '##cer', 'Sjö', '##gren']
  words += ['##gr', 'AC', '##GT', '##ACGT', 'sjogren', 'a\uf061', '##\uf061b']
  characters = set(string.printable).union(*(row[1] for row in HOSTILE))
  if do_lower_case:
    words = [*(word.lower() for word in words), '##ς', 'α']
    text = ''.join(characters)
    characters = set(''.join(google_tokenization.basic_words(text, True)))
  # One letter is left out, so that [UNK] comes up; no file holds a surrogate.
  characters -= {'z', '\ud800'}
  characters = {c for c in characters if c == c.strip() and c}
  singles = [p for c in sorted(characters) for p in (c, f'##{c}')]
  return tuple(dict.fromkeys((*SPECIALS, *words, *singles)))


CASED = wordpiece.WordPieceTokenizer(_toy_pieces(False), do_lower_case=False)
UNCASED = wordpiece.WordPieceTokenizer(_toy_pieces(True), do_lower_case=True)
TOY = {False: CASED, True: UNCASED}
VOCABULARY = {lower: frozenset(toy.pieces) for lower, toy in TOY.items()}


def test_a_batch_is_what_each_text_gives_alone() -> None:
  texts = [row[1] for row in HOSTILE] + ['', 'BRCA1 cancer (1)']
  for toy in TOY.values():
    batch = toy.encode_batch(texts)
    assert batch == [toy.encode(text) for text in texts]


@pytest.mark.parametrize(
  ('text', 'pieces'),
  [
    ('BRCA1', ['BR', '##CA', '##1']),
    ('Sjögren cancer', ['Sjö', '##gren', 'cancer']),
    ('[MASK]', ['[', 'MASK', ']']),
    (
      'a [SEP] b'.replace('SEP', 'CLS'),
      ['a', '[', 'C', '##L', '##S', ']', 'b'],
    ),
    ('(1\u00a0)', ['(', '1', ')']),
    ('can\u00adcer', ['cancer']),
    ('zoo', ['[UNK]']),
    ('a\uf061b', ['a\uf061', '##b']),
    ('\uf061', ['\uf061']),
    ('\uf062', ['[UNK]']),
    ('\ue000', ['[UNK]']),
    ('\u200b', []),
  ],
)
def test_golden_pieces(text: str, pieces: list[str]) -> None:
  assert CASED.tokenize(text) == pieces
  assert google_tokenization.tokenize(text, VOCABULARY[False], False) == pieces


@pytest.mark.parametrize('length', [100, 101, 160, 200, 201])
def test_words_have_at_most_200_characters(length: int) -> None:
  word = ('ACGT' * 51)[:length]
  pieces = CASED.tokenize(word)
  assert (pieces == ['[UNK]']) == (length > 200)
  assert pieces == google_tokenization.tokenize(word, VOCABULARY[False], False)


def test_uncased_pieces_and_their_offsets() -> None:
  ids, offsets = UNCASED.encode('Sjögren ΑΣ 각')
  pieces = [UNCASED.pieces[i] for i in ids]
  jamo = ['\u1100', '##\u1161', '##\u11a8']
  assert pieces == ['sjogren', 'α', '##ς', *jamo]
  assert offsets == [(0, 7), (8, 9), (9, 10), *[(11, 12)] * 3]


def test_offsets_count_code_points() -> None:
  text = '😀 \uf061 BRCA1\u00a0\U0001f9ec'
  _, offsets = CASED.encode(text)
  assert [text[start:end] for start, end in offsets] == [
    '😀',
    '\uf061',
    'BR',
    'CA',
    '1',
    '\U0001f9ec',
  ]


@hypothesis.settings(max_examples=400, deadline=None, derandomize=True)
@hypothesis.given(text=TEXTS, do_lower_case=st.booleans())
def test_any_text_has_googles_pieces(text: str, do_lower_case: bool) -> None:
  assert TOY[do_lower_case].tokenize(text) == google_tokenization.tokenize(
    text, VOCABULARY[do_lower_case], do_lower_case
  )


@hypothesis.settings(max_examples=400, deadline=None, derandomize=True)
@hypothesis.given(text=TEXTS)
def test_cased_offsets_hold_the_piece(text: str) -> None:
  ids, offsets = CASED.encode(text)
  assert len(ids) == len(offsets)
  last_end = 0
  for i, (start, end) in zip(ids, offsets, strict=True):
    assert last_end <= start < end <= len(text)
    last_end = end
    if i != CASED.unk_id:
      words = google_tokenization.basic_words(text[start:end], False)
      assert ''.join(words) == CASED.pieces[i].removeprefix('##')


@hypothesis.settings(max_examples=200, deadline=None, derandomize=True)
@hypothesis.given(text=TEXTS)
def test_uncased_offsets_are_in_order(text: str) -> None:
  _, offsets = UNCASED.encode(text)
  assert all(0 <= start < end <= len(text) for start, end in offsets)
  assert offsets == sorted(offsets)


@hypothesis.settings(max_examples=100, deadline=None, derandomize=True)
@hypothesis.given(words=st.lists(TEXTS, max_size=5), lower=st.booleans())
def test_words_are_encoded_each_by_itself(
  words: list[str], lower: bool
) -> None:
  alone = [TOY[lower].encode(word)[0] for word in words]
  assert TOY[lower].encode_words([*words, *words]) == [*alone, *alone]


def test_words_without_pieces_keep_their_place() -> None:
  ids = CASED.encode_words(['a', '\u200b', 'a', '', '\u00a0'])
  one = [CASED.pieces.index('a')]
  assert ids == [one, [], one, [], []]
  ids[0].append(7)  # The lists are the caller's own.
  assert ids[2] == one
  assert CASED.encode_words([]) == []


def test_ids_of_the_specials() -> None:
  toy = wordpiece.WordPieceTokenizer(
    ('a', '[MASK]', '[SEP]', '[CLS]', '[UNK]', '[PAD]'), do_lower_case=False
  )
  assert (toy.pad_id, toy.unk_id, toy.cls_id) == (5, 4, 3)
  assert (toy.sep_id, toy.mask_id, toy.vocab_size) == (2, 1, 6)
  # printf 'a\n[MASK]\n[SEP]\n[CLS]\n[UNK]\n[PAD]' | sha256sum
  assert toy.sha256 == SHA256_OF_TOY


SHA256_OF_TOY = (
  '673061eed60ab55213d1a946af04de270c5ab6944f5c9bb075d7bd73841f46b1'
)


def _directory(
  path: pathlib.Path,
  pieces: tuple[str, ...] = CASED.pieces,
  **files: dict[str, object],
) -> pathlib.Path:
  (path / 'vocab.txt').write_text('\n'.join(pieces) + '\n', encoding='utf-8')
  for name, value in files.items():
    (path / f'{name}.json').write_text(json.dumps(value), encoding='utf-8')
  return path


@pytest.mark.parametrize('toy', [CASED, UNCASED], ids=['cased', 'uncased'])
def test_saved_tokenizer_reads_back(
  toy: wordpiece.WordPieceTokenizer, tmp_path: pathlib.Path
) -> None:
  toy.save(tmp_path / 'new' / 'folder')
  again = wordpiece.WordPieceTokenizer.from_directory(
    tmp_path / 'new' / 'folder'
  )
  assert again == toy
  assert again.sha256 == toy.sha256
  names = sorted(path.name for path in (tmp_path / 'new/folder').iterdir())
  assert names == ['tokenizer_config.json', 'vocab.txt']


@pytest.mark.parametrize('stored', [False, True])
def test_casing_comes_from_the_directory(
  stored: bool, tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
  read = wordpiece.WordPieceTokenizer.from_directory
  pieces = TOY[stored].pieces
  folder = _directory(
    tmp_path,
    pieces,
    tokenizer={'normalizer': {'lowercase': stored, 'strip_accents': None}},
  )
  assert read(folder).do_lower_case is stored
  # tokenizer_config.json comes before tokenizer.json.
  _directory(
    tmp_path,
    pieces,
    tokenizer={'normalizer': {'lowercase': not stored}},
    tokenizer_config={'do_lower_case': stored},
  )
  assert read(folder).do_lower_case is stored
  assert read(folder, do_lower_case=stored).do_lower_case is stored
  if stored:  # The option overrides it, with a note.
    assert not read(folder, do_lower_case=False).do_lower_case
    assert 'tokenizer_config.json: states do_lower_case=' in caplog.text
  else:  # But not the vocabulary, whose capitals would never be met.
    with pytest.raises(InputError, match='59 of 287 tokens hold capitals'):
      read(folder, do_lower_case=True)


def test_unknown_casing_is_asked_for(tmp_path: pathlib.Path) -> None:
  folder = _directory(tmp_path, tokenizer_config={'model_max_length': 512})
  read = wordpiece.WordPieceTokenizer.from_directory
  with pytest.raises(InputError, match='--do_lower_case=true'):
    read(folder)
  assert read(folder, do_lower_case=False) == CASED


def test_vocabulary_of_tokenizer_json_alone(tmp_path: pathlib.Path) -> None:
  vocab = {piece: i for i, piece in enumerate(CASED.pieces)}
  path = tmp_path / 'tokenizer.json'
  model = {'continuing_subword_prefix': '##', 'vocab': vocab}
  fast = {'model': model, 'normalizer': {'lowercase': False}}
  path.write_text(json.dumps(fast), encoding='utf-8')
  assert wordpiece.WordPieceTokenizer.from_directory(tmp_path) == CASED


@pytest.mark.parametrize(
  ('config', 'message'),
  [
    ({'do_lower_case': 'no'}, 'true or false'),
    ({'do_lower_case': False, 'strip_accents': True}, 'accents'),
    ({'do_lower_case': False, 'tokenize_chinese_chars': 'no'}, 'CJK'),
  ],
)
def test_settings_that_are_not_berts(
  config: dict[str, object], message: str, tmp_path: pathlib.Path
) -> None:
  folder = _directory(tmp_path, tokenizer_config=config)
  with pytest.raises(InputError, match=message):
    wordpiece.WordPieceTokenizer.from_directory(folder)


def test_cjk_may_be_left_whole(tmp_path: pathlib.Path) -> None:
  # U+2B820 is one of the ideographs that `settle` takes from the library.
  words = ['\u7d30\u80de', '\u7d30', '\u80de', '\U0002b820\u7d30']
  pieces = [*SPECIALS, *words, '\U0002b820']
  settings = {'do_lower_case': False, 'tokenize_chinese_chars': False}
  folder = _directory(tmp_path, tokenizer_config=settings)
  (folder / 'vocab.txt').write_text('\n'.join(pieces), encoding='utf-8')
  whole = wordpiece.WordPieceTokenizer.from_directory(folder)
  text = '\u7d30\u80de \U0002b820\u7d30'
  assert whole.tokenize(text) == [words[0], words[3]]
  whole.save(tmp_path / 'again')
  again = wordpiece.WordPieceTokenizer.from_directory(tmp_path / 'again')
  assert again == whole
  split = wordpiece.WordPieceTokenizer(whole.pieces, do_lower_case=False)
  assert split.tokenize(text) == [words[1], words[2], pieces[-1], words[1]]


def test_a_piece_of_white_space_keeps_its_id(tmp_path: pathlib.Path) -> None:
  folder = _directory(tmp_path, tokenizer_config={'do_lower_case': False})
  pieces = [*SPECIALS, '\u3000', 'a']
  (folder / 'vocab.txt').write_text('\n'.join(pieces), encoding='utf-8')
  tokenizer = wordpiece.WordPieceTokenizer.from_directory(folder)
  assert tokenizer.encode('a \u3000 a')[0] == [len(SPECIALS) + 1] * 2


def test_missing_vocabulary_names_the_file(tmp_path: pathlib.Path) -> None:
  with pytest.raises(InputError, match=r'vocab\.txt: cannot read'):
    wordpiece.WordPieceTokenizer.from_directory(tmp_path)


@pytest.mark.parametrize('special', SPECIALS)
def test_missing_specials_are_named(
  special: str, tmp_path: pathlib.Path
) -> None:
  pieces = tuple(piece for piece in CASED.pieces if piece != special)
  path = _directory(tmp_path, pieces) / 'vocab.txt'
  with pytest.raises(
    InputError, match=r'vocab\.txt: .*lacks \[' + special[1:4]
  ):
    wordpiece.WordPieceTokenizer.from_vocab_file(path, do_lower_case=False)


@pytest.mark.parametrize('extra', ['', ' x', 'x\n', 'a'])
def test_pieces_that_no_file_could_hold(extra: str) -> None:
  with pytest.raises(InputError, match='empty or padded|twice'):
    wordpiece.WordPieceTokenizer((*SPECIALS, 'a', extra), do_lower_case=False)


def test_vocabulary_and_casing_disagree() -> None:
  lower = tuple(f'{a}{b}' for a in string.ascii_lowercase for b in '0123456789')
  lower += (
    tuple(f'##{piece}x' for piece in lower)
    + tuple(f'{piece}yz' for piece in lower)
    + tuple(f'{piece}q' for piece in lower)
  )
  upper = tuple(f'A{piece}' for piece in lower[:11])
  make = wordpiece.WordPieceTokenizer
  with pytest.raises(InputError, match='disagree: none of 1040'):
    make((*SPECIALS, *lower), do_lower_case=False)
  make((*SPECIALS, *lower), do_lower_case=True)
  make((*SPECIALS, *lower, *upper), do_lower_case=False)
  with pytest.raises(InputError, match='disagree: 11 of 271'):
    make((*SPECIALS, *lower[:260], *upper), do_lower_case=True)
  # Ten capitals may be placeholders; a small vocabulary may lack them.
  make((*SPECIALS, *lower[:260], *upper[:10]), do_lower_case=True)
  make((*SPECIALS, *lower[:260]), do_lower_case=False)


def test_vocabulary_size_must_be_the_checkpoints() -> None:
  size = CASED.vocab_size
  wordpiece.check_vocab_size(CASED, size, 'model')
  with pytest.raises(InputError, match=f'model: .* {size} .* {size - 1};'):
    wordpiece.check_vocab_size(CASED, size - 1, 'model')
  with pytest.raises(InputError, match=f'{size} .* {size + 2};.* append 2 '):
    wordpiece.check_vocab_size(CASED, size + 2, 'model')

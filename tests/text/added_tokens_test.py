"""Added tokens are met before WordPiece, as transformers meets them."""

import json
import pathlib
import string

import pytest
import tokenizers
from tokenizers.implementations import BertWordPieceTokenizer

from biobert_jax.errors import InputError
from biobert_jax.text.added_tokens import AddedToken, read_added_tokens
from biobert_jax.text.documents import split_words
from biobert_jax.text.vocabulary import SPECIALS
from biobert_jax.text.wordpiece import (
  CachedWordPiece,
  WordPieceTokenizer,
  check_vocab_size,
)

LETTERS = string.ascii_letters + string.digits + string.punctuation
VOCABULARY = (*SPECIALS, *LETTERS, *(f'##{c}' for c in LETTERS), '[unused1]')
SIZE = len(VOCABULARY)
# As transformers takes them: content and flags.
ADDED = (
  ('[E1]', {'special': True, 'normalized': False}),
  ('@GENE$', {}),
  ('type 2 diabetes', {}),
  ('BRCA', {'single_word': True}),
  ('[unused1]', {'normalized': False}),
)
TEXTS = (
  'x [E1] BRCA [E1]y',
  '@GENE$,@GENE$ and @gene$ of type 2 diabetes.',
  'BRCA1 (BRCA) BRCA-2 Type 2 Diabetes',
  'type 2  diabetes [unused1][unused1]',
  '[e1] brca',
)


def folder_of(
  path: pathlib.Path, lower: bool, *missing: str
) -> tokenizers.Tokenizer:
  """A folder as transformers saves it, and its tokenizer as the oracle."""
  pieces = tuple(dict.fromkeys(p.lower() for p in VOCABULARY[5:]))
  pieces = (*SPECIALS, *pieces) if lower else VOCABULARY
  fast = BertWordPieceTokenizer(
    {piece: i for i, piece in enumerate(pieces)}, lowercase=lower
  )
  tokens = [tokenizers.AddedToken(text, **flags) for text, flags in ADDED]
  for token in tokens:
    fast.add_tokens([token])
  config = {'do_lower_case': lower}
  by_id = json.loads(fast.to_str())['added_tokens']
  config['added_tokens_decoder'] = {e.pop('id'): e for e in by_id}
  config['additional_special_tokens'] = ['[E1]']
  appended = {
    e['content']: i
    for i, e in config['added_tokens_decoder'].items()
    if i >= len(pieces)
  }
  if 'config' in missing:
    del config['added_tokens_decoder']
  (path / 'vocab.txt').write_text('\n'.join(pieces) + '\n')
  (path / 'tokenizer_config.json').write_text(json.dumps(config))
  if 'fast' not in missing:
    fast.save(str(path / 'tokenizer.json'))
  if 'list' not in missing:
    (path / 'added_tokens.json').write_text(json.dumps(appended))
  return fast._tokenizer


@pytest.mark.parametrize('lower', [False, True])
@pytest.mark.parametrize(
  'missing', [(), ('fast', 'list'), ('config', 'list')], ids=str
)
def test_ids_and_places_are_those_of_transformers(
  lower: bool, missing: tuple[str, ...], tmp_path: pathlib.Path
) -> None:
  oracle = folder_of(tmp_path, lower, *missing)
  tokenizer = WordPieceTokenizer.from_directory(tmp_path)
  assert tokenizer.vocab_size == oracle.get_vocab_size()
  for text in TEXTS:
    wanted = oracle.encode(text, add_special_tokens=False)
    assert tokenizer.encode(text) == (wanted.ids, wanted.offsets), text
    assert tokenizer.encode_batch([text])[0][0] == wanted.ids
    (row,) = CachedWordPiece(tokenizer).encode([text])
    assert row == b''.join(i.to_bytes(2, 'little') for i in wanted.ids)
  # BERT's five are no tokens of a text here.
  assert '[MASK]' not in tokenizer.tokenize('[MASK]')
  known = tokenizer.encode_words(['@GENE$', '[E1]', 'BRCA', 'BRCA1'])
  assert [len(ids) for ids in known] == [1, 1, 1, 5]


@pytest.mark.parametrize('fast', [False, True])
def test_they_are_saved_and_read_again(
  fast: bool, tmp_path: pathlib.Path
) -> None:
  oracle = folder_of(tmp_path, False)
  tokenizer = WordPieceTokenizer.from_directory(tmp_path)
  tokenizer.save(tmp_path / 'again', fast=fast)
  again = WordPieceTokenizer.from_directory(tmp_path / 'again')
  assert again == tokenizer
  assert again.sha256 == tokenizer.sha256
  assert again.encode(TEXTS[1]) == tokenizer.encode(TEXTS[1])
  lines = (tmp_path / 'again' / 'vocab.txt').read_text().split()
  assert tuple(lines) == VOCABULARY
  if fast:
    path = str(tmp_path / 'again' / 'tokenizer.json')
    ours = tokenizers.Tokenizer.from_file(path)
    for text in TEXTS[:3]:
      assert ours.encode(text).ids == oracle.encode(text).ids


def test_a_list_without_flags_is_read(tmp_path: pathlib.Path) -> None:
  """What transformers 4 wrote for a slow tokenizer."""
  folder_of(tmp_path, False, 'fast', 'config')
  added = {
    token.content: token for token in read_added_tokens(tmp_path, VOCABULARY)
  }
  assert added['[E1]'] == AddedToken('[E1]', SIZE, False, False, True)
  assert added['BRCA'] == AddedToken('BRCA', SIZE + 3, False, True, False)


def test_a_vocabulary_named_by_itself_has_those_of_its_folder(
  tmp_path: pathlib.Path,
) -> None:
  folder_of(tmp_path, False)
  whole = WordPieceTokenizer.from_directory(tmp_path)
  path = tmp_path / 'vocab.txt'
  assert WordPieceTokenizer.from_vocab_file(path, False) == whole
  other = path.rename(tmp_path / 'other.txt')
  assert not WordPieceTokenizer.from_vocab_file(other, False).added


def test_words_that_one_token_covers_are_one(tmp_path: pathlib.Path) -> None:
  folder_of(tmp_path, False)
  tokenizer = WordPieceTokenizer.from_directory(tmp_path)
  text = 'A (@GENE$) in type 2 diabetes.'
  joined = tokenizer.join_added(text, split_words(text))
  words = [text[start:end] for start, end in joined]
  assert words == ['A', '(', '@GENE$', ')', 'in', 'type 2 diabetes', '.']
  plain = WordPieceTokenizer(VOCABULARY, do_lower_case=False)
  assert plain.join_added(text, split_words(text)) == split_words(text)


@pytest.mark.parametrize(
  ('stated', 'message'),
  [
    ({'@X$': SIZE + 1}, 'do not follow the .* of the vocabulary'),
    ({'@X$': 5}, "'@X\\$' has the id 5, which is 'a'"),
    ({'a': SIZE}, f"'a' has the id {SIZE} here, but 5"),
    ({' x': SIZE}, 'begins or ends with white space'),
    ({'': SIZE}, 'is empty'),
    ({'@X$': '7'}, 'not an added token'),
    ({'@X$': -1}, 'not an added token'),
    ({'@X$': None}, 'not an added token'),
  ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(
  stated: dict[str, object], message: str, tmp_path: pathlib.Path
) -> None:
  (tmp_path / 'added_tokens.json').write_text(json.dumps(stated))
  with pytest.raises(InputError, match=message):
    read_added_tokens(tmp_path, VOCABULARY)


def test_lines_without_a_row_are_named_and_the_remedy_works(
  tmp_path: pathlib.Path,
) -> None:
  path = tmp_path / 'vocab.txt'
  path.write_text('\n'.join(VOCABULARY) + '\n')

  def check(rows: int) -> None:
    read = WordPieceTokenizer.from_directory(tmp_path, do_lower_case=False)
    check_vocab_size(read, rows, tmp_path)

  check(SIZE)
  message = (
    rf"no row is left for '##~', '\[unused1\]'; remove lines {SIZE - 1} to "
    f'{SIZE} of vocab.txt'
  )
  with pytest.raises(InputError, match=message):
    check(SIZE - 2)
  path.write_text('\n'.join(VOCABULARY[:-2]) + '\n')
  check(SIZE - 2)
  with pytest.raises(InputError, match=r'append 1 lines such as \[unused_0\]'):
    check(SIZE - 1)
  path.write_text('\n'.join([*VOCABULARY[:-2], '[unused_0]']) + '\n')
  check(SIZE - 1)
  listed = tmp_path / 'added_tokens.json'
  listed.write_text(json.dumps({'@X$': SIZE - 1}))
  check(SIZE)
  with pytest.raises(
    InputError, match="left for '@X.'; remove them from added"
  ):
    check(SIZE - 1)
  message = rf'give {SIZE} to {SIZE + 1} as ids of names such as \[unused_1\]'
  with pytest.raises(InputError, match=message):
    check(SIZE + 2)
  names = {'@X$': SIZE - 1, '[unused_1]': SIZE, '[unused_2]': SIZE + 1}
  listed.write_text(json.dumps(names))
  check(SIZE + 2)

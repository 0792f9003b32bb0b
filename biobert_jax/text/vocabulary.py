"""Vocabularies of WordPiece tokens: read from files, or built from text.

A vocabulary is a tuple of tokens whose index is the id. A token that continues
a word begins with `##`.
"""

import collections
import io
import os
import re
import string
from collections.abc import Iterable

from biobert_jax.errors import InputError
from biobert_jax.io import storage
from biobert_jax.io.json_files import read_json
from biobert_jax.text.bert_normalizer import basic_words

PAD, UNK, CLS, SEP, MASK = '[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'
SPECIALS = (PAD, UNK, CLS, SEP, MASK)

# google-research/bert tokenization.py, WordpieceTokenizer.__init__.
MAX_CHARS_PER_WORD = 200

_SURROGATE = re.compile('[\ud800-\udfff]')
_WORD_START = '▁'  # SentencePiece's mark.


def read_vocab_file(path: str | os.PathLike[str]) -> tuple[str, ...]:
  """Reads a `vocab.txt`: one token per line, UTF-8, ids by line from 0.

  White space around a token is dropped, as in google-research/bert
  tokenization.py (`load_vocab`). A repeated line, which there shifts ids, is
  an error here, as is an empty one.
  """
  try:
    data = storage.local_file(path).read_bytes()
  except OSError as error:
    what = f'{path}: cannot read the vocabulary ({error.strerror}); expected'
    raise InputError(f'{what} a file with one token per line') from None
  try:
    text = data.decode()
  except UnicodeDecodeError as error:
    number = data.count(b'\n', 0, error.start) + 1
    raise InputError.at(path, number, 'not UTF-8; convert the file') from None
  if text.startswith('\ufeff'):
    raise InputError.at(path, 1, 'remove the byte order mark')
  first_line: dict[str, int] = {}
  # Only a newline ends a line: str.splitlines would cut at U+2028 too.
  for number, line in enumerate(text.rstrip('\r\n').split('\n'), 1):
    # Some vocabularies hold a wide space: no text meets it, its id counts.
    piece = line.strip() or line.strip(string.whitespace)
    if not piece:
      raise InputError.at(path, number, 'empty line; remove it')
    if piece in first_line:
      what = f'{piece!r} is in line {first_line[piece]} too'
      raise InputError.at(path, number, f'{what}; remove or rename one')
    first_line[piece] = number
  return tuple(first_line)


def read_tokenizer_json(path: str | os.PathLike[str]) -> tuple[str, ...]:
  """Reads the WordPiece vocabulary in a `tokenizer.json` of `tokenizers`."""
  model = read_json(path).get('model')
  model = model if isinstance(model, dict) else {}
  vocab = model.get('vocab')
  # Older files leave the model's type out; only WordPiece has this prefix.
  prefix = model.get('continuing_subword_prefix')
  if not isinstance(vocab, dict) or prefix != '##':
    what = 'not a WordPiece tokenizer; use the directory of a BERT model'
    raise InputError(f'{path}: {what}')
  if sorted(vocab.values()) != list(range(len(vocab))):
    what = 'the ids in model.vocab are not 0, 1, 2 and so on; number them'
    raise InputError(f'{path}: {what}')
  return tuple(sorted(vocab, key=vocab.__getitem__))


def build_vocabulary(
  texts: Iterable[str], size: int, do_lower_case: bool = False
) -> tuple[str, ...]:
  """Builds a vocabulary for a corpus; the same one for the same words.

  Tokens are the merges of SentencePiece's BPE over the words of the corpus,
  in the order of their discovery, so they never cross punctuation. (The
  trainer in `tokenizers` gives another vocabulary on each run.) The five
  specials come first, then every character seen, plain and with `##`, so that
  no word of the corpus up to 200 characters is [UNK].

  Raises:
    InputError: no words, or more characters than `size` allows.
  """
  counts: collections.Counter[str] = collections.Counter()
  for text in texts:
    words = basic_words(text, do_lower_case)
    # A lone surrogate cannot stand in a UTF-8 file.
    counts.update(word for word in words if not _SURROGATE.search(word))
  if not counts:
    raise InputError('the corpus for the vocabulary has no words; check it')
  characters = sorted(set().union(*counts))
  singles = [piece for c in characters for piece in (c, f'##{c}')]
  pieces = dict.fromkeys((*SPECIALS, *singles))  # In order, without repeats.
  if len(pieces) > size:
    what = f'a vocabulary of {size} tokens is too small: {len(characters)}'
    what += f' different characters need at least {len(pieces)}'
    raise InputError(what)
  for merged in _merges(counts, size):
    if len(pieces) == size:
      break
    is_start = merged.startswith(_WORD_START)
    piece = merged[1:] if is_start else f'##{merged}'
    if piece:
      pieces[piece] = None
  return tuple(pieces)


def _merges(counts: collections.Counter[str], limit: int) -> list[str]:
  """SentencePiece's BPE tokens, by rank; words begin with `_WORD_START`."""
  # Imported here so that reading a vocabulary does not need the library.
  import sentencepiece

  # A word that holds SentencePiece's own mark would be read as two. Sorted,
  # so that equal counts cannot be told apart by the order of the corpus.
  rows = [
    f'{word}\t{count}'
    for word, count in sorted(counts.items())
    if len(word) <= MAX_CHARS_PER_WORD and _WORD_START not in word
  ]
  if not rows:
    return []
  model = io.BytesIO()
  sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(rows),
    model_writer=model,
    model_type='bpe',
    input_format='tsv',
    vocab_size=limit,
    hard_vocab_limit=False,  # A tiny corpus has fewer merges than that.
    character_coverage=1.0,
    normalization_rule_name='identity',
    # BERT cuts words at punctuation only: 'TNFα' may be one token.
    split_by_unicode_script=False,
    max_sentencepiece_length=32,
    unk_id=0,
    pad_id=-1,
    bos_id=-1,
    eos_id=-1,
    num_threads=1,
    minloglevel=2,
  )
  trained = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
  # Id 0 is SentencePiece's own <unk>.
  return [trained.id_to_piece(i) for i in range(1, trained.get_piece_size())]

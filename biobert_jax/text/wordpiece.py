"""Text to WordPiece ids with character offsets, as Google's BERT does it.

The Rust library `tokenizers` is set up to give the tokens of
google-research/bert `tokenization.py` for every text, see `bert_normalizer.py`.
Unlike in its BERT presets a word may have 200 characters, casing is never
assumed, and BERT's five special tokens are not met in a text: "[MASK]" is `[`,
`MASK`, `]`. Tokens that were added to a vocabulary are, before WordPiece.
"""

import dataclasses
import functools
import hashlib
import itertools
import json
import logging
import os
import pathlib
import re
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import tokenizers
from tokenizers import decoders, models, pre_tokenizers, processors

from biobert_jax.errors import InputError
from biobert_jax.io import storage
from biobert_jax.io.atomic import write_text
from biobert_jax.io.json_files import json_text, read_json, write_json
from biobert_jax.text import added_tokens, bert_normalizer, vocabulary
from biobert_jax.text.added_tokens import AddedToken
from biobert_jax.text.bert_normalizer import to_bert_form
from biobert_jax.text.vocabulary import CLS, MASK, PAD, SEP, SPECIALS, UNK

StrPath = str | os.PathLike[str]
_log = logging.getLogger(__name__)
# The remedies for a wrong casing, in all commands.
_UNCASED, _CASED = (
  f'set --do_lower_case={lower} (in train --config.vocab.do_lower_case={lower})'
  for lower in ('true', 'false')
)


@dataclasses.dataclass(frozen=True)
class WordPieceTokenizer:
  """A vocabulary, its casing, and the functions from text to ids.

  An InputError says where the vocabulary is faulty or contradicts the casing.
  """

  pieces: tuple[str, ...] = dataclasses.field(repr=False)  # Index = id.
  do_lower_case: bool  # Whether text is lower-cased and stripped of accents.
  # Each CJK ideograph is a word, as Google's; not so in a few vocabularies.
  tokenize_chinese_chars: bool = True
  # Looked for before WordPiece; the last of `pieces`, or among the others.
  added: tuple[AddedToken, ...] = dataclasses.field(default=(), repr=False)
  appended: int = 0  # Of `pieces`, the last ones, which WordPiece lacks.

  def __post_init__(self) -> None:
    missing = [token for token in SPECIALS if token not in self.pieces]
    if missing:
      what = f'the vocabulary lacks {", ".join(missing)}: add a line for each'
      raise InputError(f'{what}, or use the vocab.txt of a BERT checkpoint')
    # White space alone may stand in a vocabulary: no text ever meets it.
    stripped = {piece: piece.strip() for piece in self.pieces}
    if any(not p or (s and p != s) for p, s in stripped.items()):
      what = 'the vocabulary holds an empty or padded token'
      raise InputError(f'{what}; strip and drop them')
    if len(set(self.pieces)) != len(self.pieces):
      raise InputError('the vocabulary holds a token twice; drop repeats')
    added = {token.content for token in self.added}
    plain = [
      p
      for p in self.pieces
      if not (p.startswith('[') and p.endswith(']')) and p not in added
    ]
    upper = sum(re.search('[A-Z]', piece) is not None for piece in plain)
    what = ''
    # A placeholder or two added by hand do not make a vocabulary cased.
    if self.do_lower_case and upper > max(10, len(plain) // 100):
      what = f'{upper} of {len(plain)} tokens hold capitals, which lower-cased'
      what += f' text never meets; {_CASED}'
    # A small vocabulary may lack capitals by chance.
    if not self.do_lower_case and not upper and len(self.pieces) > 1000:
      what = f'none of {len(plain)} tokens holds a capital, so every'
      what += f' capitalised word would be [UNK]; {_UNCASED}'
    if what:
      raise InputError(f'vocabulary and casing disagree: {what}')

  @classmethod
  def from_directory(
    cls, directory: StrPath, do_lower_case: bool | None = None
  ) -> Self:
    """Reads the tokenizer of a checkpoint's directory.

    It holds `vocab.txt`, or `tokenizer.json` alone, as transformers 5 saves it.
    Casing is that given here; else that of `tokenizer_config.json`
    (`do_lower_case`), else of `tokenizer.json` (`normalizer.lowercase`).
    Added tokens are read too, see `added_tokens.py`.
    """
    folder = storage.local(directory)
    path, read = folder / 'vocab.txt', vocabulary.read_vocab_file
    fast_path = folder / 'tokenizer.json'
    if not path.exists() and fast_path.exists():
      path, read = fast_path, vocabulary.read_tokenizer_json
    pieces = read(path)
    stored, split_cjk, source = _stored_casing(folder, do_lower_case)
    lower = stored if do_lower_case is None else do_lower_case
    if lower is None:
      raise InputError(
        f'{folder}: no file says whether the vocabulary is lower-cased; for an'
        f' uncased one {_UNCASED}; for a cased one, as BioBERT, {_CASED}'
      )
    if stored not in (None, lower):
      _log.warning(
        '%s: states do_lower_case=%s; the option overrides it: %s',
        *(source, json.dumps(stored), json.dumps(lower)),
      )
    return cls._checked(pieces, lower, path, split_cjk)

  @classmethod
  def from_vocab_file(cls, path: StrPath, do_lower_case: bool) -> Self:
    """Reads a `vocab.txt`, see `read_vocab_file`, and its added tokens.

    They are read where the file has that name: the others of a folder may be of
    another vocabulary.
    """
    return cls._checked(vocabulary.read_vocab_file(path), do_lower_case, path)

  @classmethod
  def _checked(
    cls,
    pieces: tuple[str, ...],
    do_lower_case: bool,
    path: StrPath,
    tokenize_chinese_chars: bool = True,
  ) -> Self:
    added: tuple[AddedToken, ...] = ()
    folder, name = os.path.split(path)
    if name in ('vocab.txt', 'tokenizer.json'):
      beside = storage.local(folder, added_tokens.FILES)
      added = added_tokens.read_added_tokens(beside, pieces)
    own = [token.content for token in added if token.id >= len(pieces)]
    whole = (*pieces, *own)
    try:
      return cls(whole, do_lower_case, tokenize_chinese_chars, added, len(own))
    except InputError as error:
      raise InputError(f'{path}: {error}') from None

  @property
  def vocab_size(self) -> int:
    return len(self.pieces)

  @functools.cached_property
  def pad_id(self) -> int:
    return self.pieces.index(PAD)

  @functools.cached_property
  def unk_id(self) -> int:
    return self.pieces.index(UNK)

  @functools.cached_property
  def cls_id(self) -> int:
    return self.pieces.index(CLS)

  @functools.cached_property
  def sep_id(self) -> int:
    return self.pieces.index(SEP)

  @functools.cached_property
  def mask_id(self) -> int:
    return self.pieces.index(MASK)

  @functools.cached_property
  def sha256(self) -> str:
    """Digest of the tokens joined by newlines, in hexadecimal."""
    parts = [*self.pieces, *(repr(tuple(token)) for token in self.added)]
    return hashlib.sha256('\n'.join(parts).encode()).hexdigest()

  @functools.cached_property
  def _backend(self) -> tokenizers.Tokenizer:
    return self._library(bert_normalizer.token_in_bert_form)

  @property
  def base(self) -> tuple[str, ...]:
    """The tokens of `vocab.txt`, without those that were appended."""
    return self.pieces[: self.vocab_size - self.appended]

  def _library(self, form: Callable[[str], str]) -> tokenizers.Tokenizer:
    """The Rust library's tokenizer, each token in some form; ids are ours."""
    model = models.WordPiece(
      vocab={form(piece): i for i, piece in enumerate(self.base)},
      unk_token=UNK,
      max_input_chars_per_word=vocabulary.MAX_CHARS_PER_WORD,
      continuing_subword_prefix='##',
    )
    backend = tokenizers.Tokenizer(model)
    backend.normalizer = bert_normalizer.normalizer(
      self.do_lower_case, self.tokenize_chinese_chars
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    # The library numbers on, in this order, those that the model lacks.
    for token in self.added:
      options = {'single_word': token.single_word, 'special': token.special}
      content, normalized = form(token.content), token.normalized
      backend.add_tokens(
        [tokenizers.AddedToken(content, normalized=normalized, **options)]
      )
    return backend

  def _in_bert_form(self, text: str) -> tuple[str, list[int] | None]:
    return to_bert_form(text, self.do_lower_case, self.tokenize_chinese_chars)

  def tokenize(self, text: str) -> list[str]:
    """The tokens of a text, without [CLS] and [SEP]."""
    return [self.pieces[i] for i in self.encode(text)[0]]

  def encode(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
    """The ids of a text and where each token stands, without [CLS] and [SEP].

    A token covers a half-open range of code points in `text`. Ranges are in
    order and none is empty; tokens that one character gave (a Hangul syllable,
    lower-cased) share its range.
    """
    rewritten, origin = self._in_bert_form(text)
    encoding = self._backend.encode(rewritten, add_special_tokens=False)
    return encoding.ids, _at_origin(encoding.offsets, origin)

  def join_added(
    self, text: str, words: Sequence[tuple[int, int]]
  ) -> list[tuple[int, int]]:
    """Joins the words of a text that one added token covers."""
    if not self.added:
      return list(words)
    known = {token.id for token in self.added}
    ids, spans = self.encode(text)
    whole = [s for i, s in zip(ids, spans, strict=True) if i in known]
    joined: list[tuple[int, int]] = []
    place = 0
    for start, end in words:
      while place < len(whole) and whole[place][1] <= start:
        place += 1
      first, last = whole[place] if place < len(whole) else (end, end)
      inside = first <= start and end <= last
      if inside and joined and first <= joined[-1][0]:
        joined[-1] = joined[-1][0], end
      else:
        joined.append((start, end))
    return joined

  def encode_batch(
    self, texts: Sequence[str]
  ) -> list[tuple[list[int], list[tuple[int, int]]]]:
    """The result of `encode` for each of many texts."""
    rewritten = [self._in_bert_form(text) for text in texts]
    encodings = self._backend.encode_batch(
      [text for text, _ in rewritten], add_special_tokens=False
    )
    return [
      (encoding.ids, _at_origin(encoding.offsets, origin))
      for encoding, (_, origin) in zip(encodings, rewritten, strict=True)
    ]

  def encode_words(self, words: Sequence[str]) -> list[list[int]]:
    """The ids of each word by itself; none for a zero-width space, say."""
    distinct = list(dict.fromkeys(words))
    encodings = self._backend.encode_batch_fast(
      [self._in_bert_form(word)[0] for word in distinct],
      add_special_tokens=False,
    )
    found: list[list[int]] = [encoding.ids for encoding in encodings]
    ids = dict(zip(distinct, found, strict=True))
    return [ids[word].copy() for word in words]

  def to_tokenizer_json(self) -> str:
    """A `tokenizer.json` for the Rust library and transformers.

    It adds [CLS] and [SEP] and takes special tokens in a text as such. It lacks
    only our mending of rare code points (`text/bert_normalizer.py`).
    """
    backend = self._library(str)
    backend.post_processor = processors.BertProcessing(
      (SEP, self.sep_id), (CLS, self.cls_id)
    )
    backend.decoder = decoders.WordPiece()
    backend.add_special_tokens(list(SPECIALS))
    text: str = backend.to_str(pretty=True)
    return text

  def save(
    self,
    directory: storage.AnyPath,
    model_max_length: int = 512,
    fast: bool = False,
  ) -> None:
    """Writes `vocab.txt` and a `tokenizer_config.json` that states casing.

    Without the latter, transformers would lower-case a cased vocabulary; beyond
    `model_max_length` tokens it warns. `fast` adds a `tokenizer.json` for it.
    """
    folder = storage.path(directory)
    if isinstance(folder, pathlib.Path):
      folder.mkdir(parents=True, exist_ok=True)
    added = added_tokens.files(self.added, len(self.base))
    config: dict[str, Any] = {
      'do_lower_case': self.do_lower_case,
      'tokenize_chinese_chars': self.tokenize_chinese_chars,
      'model_max_length': model_max_length,
      'tokenizer_class': 'BertTokenizer',
    }
    if fast:
      # BertTokenizer of transformers 5 takes of tokenizer.json the vocabulary
      # alone, and makes words of more than 100 characters [UNK]. This class
      # takes all of it, but has to be told what BertTokenizer knows.
      config['tokenizer_class'] = 'PreTrainedTokenizerFast'
      names = ['input_ids', 'token_type_ids', 'attention_mask']
      config['model_input_names'] = names
      config |= {f'{t.strip("[]").lower()}_token': t for t in SPECIALS}
      write_text(folder / 'tokenizer.json', self.to_tokenizer_json())
    if appended := added.pop(added_tokens.FILE, None):
      write_json(folder / added_tokens.FILE, appended)
    write_text(folder / 'vocab.txt', '\n'.join(self.base) + '\n')
    text = json_text(config | added).rstrip()
    write_text(folder / added_tokens.CONFIG_FILE, text)


# google-research/bert tokenization.py cuts at ASCII white space and at each
# ASCII sign that is no letter or digit, whatever stands beside it; what it
# does within the rest is left to the library. Other control characters are
# dropped there, and so join their neighbours: they stay in a word.
_WORD = re.compile(r'[^ \t\n\r!-/:-@\[-`{-~]+|[!-/:-@\[-`{-~]')
_LONGEST_KEPT = 64  # Characters; longer words are rare and never repeat.


class CachedWordPiece:
  """Much text to the bytes of its tokens, through a cache of its words.

  Text repeats its words: with each word's tokens looked up, a sentence costs
  five times less than the Rust library takes, which still decides every word.
  """

  def __init__(self, tokenizer: WordPieceTokenizer, cache_words: int = 200_000):
    """Holds `cache_words`, about 250 bytes each, before starting anew."""
    self._tokenizer = tokenizer
    self._dtype = piece_dtype(tokenizer.vocab_size)
    self._cache_words = cache_words
    self._pieces: dict[str, bytes] = {}

  def encode(self, texts: Sequence[str]) -> list[bytes]:
    """Ids of each text as bytes of `piece_dtype`, without [CLS] and [SEP]."""
    if self._tokenizer.added:  # They may cross the borders of words.
      rows = self._tokenizer.encode_batch(texts)
      return [np.asarray(row, self._dtype).tobytes() for row, _ in rows]
    texts = [self._plain(text) for text in texts]
    words = [_WORD.findall(text) for text in texts]
    if len(self._pieces) > self._cache_words:
      self._pieces = {}
    pieces = self._pieces
    unknown = sorted(set().union(*words).difference(pieces))
    for word, ids in zip(
      unknown, self._tokenizer.encode_words(unknown), strict=True
    ):
      pieces[word] = np.asarray(ids, self._dtype).tobytes()
    found = pieces.__getitem__
    encoded = [b''.join(map(found, row)) for row in words]
    for word in unknown:
      if len(word) > _LONGEST_KEPT:
        del pieces[word]
    return encoded

  def _plain(self, text: str) -> str:
    """The text, each capital sigma lower-cased by what stands around it."""
    tokenizer = self._tokenizer
    if not tokenizer.do_lower_case or 'Σ' not in text:
      return text
    return to_bert_form(text, True, tokenizer.tokenize_chinese_chars)[0]


def check_vocab_size(
  tokenizer: WordPieceTokenizer, vocab_size_of_checkpoint: int, path: StrPath
) -> None:
  """Refuses a vocabulary of another size than the embedding table of `path`."""
  size, rows = tokenizer.vocab_size, vocab_size_of_checkpoint
  if size == rows:
    return
  folder = pathlib.Path(path)
  fast = (folder / 'tokenizer.json').exists()
  file = 'vocab.txt' if (folder / 'vocab.txt').exists() or not fast else ''
  what = f'{path}: the vocabulary has {size} tokens but the checkpoint embeds'
  if size > rows:
    last = ', '.join(map(repr, tokenizer.pieces[rows:][:8]))
    more = ', ...' if size - rows > 8 else ''
    lines = f'lines {rows + 1} to {size}' if size - rows > 1 else f'line {size}'
    where = f'{lines} of {file}' if file else 'them from tokenizer.json'
    if size - rows <= tokenizer.appended:
      where = f'them from {added_tokens.FILE} and every tokenizer*.json'
    raise InputError(
      f'{what} {rows}; no row is left for {last}{more}; remove {where}, or use '
      'the files that came with the checkpoint'
    )
  names = (f'[unused_{i}]' for i in itertools.count())
  free = next(name for name in names if name not in tokenizer.pieces)
  where = f'append {rows - size} lines such as {free} to {file}'
  if tokenizer.appended or not file:
    ids = f'{size} to {rows - 1}' if rows - size > 1 else str(size)
    where = f'give {ids} as ids of names such as {free} in {added_tokens.FILE}'
  raise InputError(
    f'{what} {rows}; use the files that came with the checkpoint or, if its '
    f'embedding table is padded, {where}'
  )


def _stored_casing(
  folder: pathlib.Path, given: bool | None
) -> tuple[bool | None, bool, pathlib.Path]:
  """The casing that a directory's files state, whether CJK is split, where.

  What is no casing is an InputError, unless one is `given`.
  """
  path = folder / 'tokenizer_config.json'
  settings: dict[str, Any] = read_json(path)
  lower = settings.get('do_lower_case')
  split_cjk = settings.get('tokenize_chinese_chars')
  if lower is None:
    path = folder / 'tokenizer.json'
    stored = read_json(path).get('normalizer')
    settings = stored if isinstance(stored, dict) else {}
    lower = settings.get('lowercase')
    split_cjk = settings.get('handle_chinese_chars')
  strip_accents = settings.get('strip_accents')
  if not isinstance(lower, bool | None):
    if given is None:
      what = f'do_lower_case must be true or false, not {lower!r}'
      raise InputError(f'{path}: {what}; {_UNCASED}, or {_CASED}')
    lower = None
  if not isinstance(split_cjk, bool | None):
    what = f'whether CJK is split must be true or false, not {split_cjk!r}'
    raise InputError(f'{path}: {what}; fix it')
  if strip_accents not in (None, lower):
    what = f'{path}: accents stripped: {strip_accents}; BERT strips accents'
    what = f'{what} just when it lower-cases: use a checkpoint that does'
    raise InputError(what)
  return lower, split_cjk is not False, path


def _at_origin(
  offsets: list[tuple[int, int]], origin: list[int] | None
) -> list[tuple[int, int]]:
  """Ranges of a rewritten text as ranges of the one it was made of."""
  if origin is None:
    return offsets
  return [(origin[start], origin[end - 1] + 1) for start, end in offsets]


def piece_dtype(vocab_size: int) -> np.dtype[Any]:
  """How a token is stored for a vocabulary of so many."""
  return np.dtype('<u2' if vocab_size <= 1 << 16 else '<u4')

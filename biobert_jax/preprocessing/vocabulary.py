"""Builds a WordPiece vocabulary from a corpus, to train from scratch.

The tokens are the merges of SentencePiece's BPE, written as WordPiece. The same
input gives the same bytes, whatever the order of the files. All are read, and a
sample of their articles is kept, which bounds memory. A fiftieth of it is held
out, to count tokens per word on. Characters so rare that together they make up
less than a given share of the sample get no token: each takes two entries.
"""

import collections
import hashlib
import itertools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tqdm

from biobert_jax import errors
from biobert_jax.io import storage
from biobert_jax.preprocessing.token_shards import prepare, stages
from biobert_jax.text.readers import any_format
from biobert_jax.text.readers.article import Article, Options
from biobert_jax.text.vocabulary import SPECIALS, build_vocabulary
from biobert_jax.text.wordpiece import (
  CachedWordPiece,
  WordPieceTokenizer,
  piece_dtype,
)

_KEYS = 1 << 64
_HELD_OUT = 50  # One article of so many.
_BATCH = 1000  # Paragraphs.

Text = tuple[str, ...]  # The paragraphs of an article.


class TextSample:
  """Articles whose ids hash low, in any order, as many as there is room for.

  The bound is the largest of all, a half, a quarter, ... with that room.
  """

  def __init__(self, characters: int):
    """Starts empty, to hold so many characters at most."""
    self.articles = 0  # That were read.
    self.share = 1.0  # 0-1, of articles that are kept by their hash.
    self._room = characters
    self._size = 0
    self._held: dict[int, tuple[int, Text]] = {}

  def add(self, article: Article) -> None:
    """Takes an article, or passes it over; a later version replaces."""
    self.articles += 1
    key = _key(article.id)
    if key >= self.share * _KEYS:
      return
    version, _ = self._held.get(key, (0, ()))
    if article.version < version:
      return
    self.remove(article.id)
    text = tuple(p for _, part in any_format.documents(article) for p in part)
    self._held[key] = article.version, text
    self._size += sum(map(len, text))
    while self._size > self._room and self._held:
      self.share /= 2
      kept = {k: v for k, v in self._held.items() if k < self.share * _KEYS}
      self._held = kept
      self._size = sum(len(p) for _, text in kept.values() for p in text)

  def remove(self, id: str) -> None:
    """Forgets a withdrawn article."""
    _, text = self._held.pop(_key(id), (0, ()))
    self._size -= sum(map(len, text))

  def split(self) -> tuple[list[Text], list[Text]]:
    """(texts to build from, texts held out), in the order of their hashes."""
    keys = sorted(self._held)
    out = {key for key in keys if key % _HELD_OUT == 0} or set(keys[1:2])
    texts: tuple[list[Text], list[Text]] = ([], [])
    for key in keys:
      texts[key in out].append(self._held[key][1])
    return texts


def _key(id: str) -> int:
  digest = hashlib.blake2b(id.encode('utf-8', 'replace'), digest_size=8)
  return int.from_bytes(digest.digest(), 'big')


def read_sample(patterns: Sequence[str], characters: int) -> TextSample:
  """Reads files into a sample of so many characters."""
  sample = TextSample(characters)
  # By path: the order of files decides between equal versions of an article.
  files = sorted(prepare.find_inputs(patterns), key=lambda file: file.path)
  for file in tqdm.tqdm(files, unit='file', disable=None):
    for item in stages.read_articles(file, Options()):
      if isinstance(item, Article):
        sample.add(item)
      else:
        sample.remove(item.id)
  if not sample.articles:
    what = '--input: holds no article with text; name files that do'
    raise errors.InputError(what)
  if not sample.split()[0]:
    what = f'--sample_characters {characters}: not one article fits; raise it'
    raise errors.InputError(what)
  return sample


def rare_characters(texts: Iterable[Text], coverage: float) -> tuple[str, int]:
  """The rarest characters that `coverage`, 0-1, lets go; and their number."""
  counts: collections.Counter[str] = collections.Counter()
  for paragraph in itertools.chain.from_iterable(texts):
    counts.update(paragraph)
  room = (1 - coverage) * counts.total()
  rare, gone = '', 0
  for char, count in sorted(counts.items(), key=lambda e: (e[1], e[0])):
    if gone + count > room:
      break
    rare, gone = rare + char, gone + count
  return rare, gone


def measure(texts: Iterable[Text], tokenizer: WordPieceTokenizer) -> Any:
  """Tokens per white-space word of texts, and the share of unknown tokens."""
  cached = CachedWordPiece(tokenizer)
  dtype = piece_dtype(tokenizer.vocab_size)
  words = pieces = unknown = 0
  paragraphs = itertools.chain.from_iterable(texts)
  while batch := list(itertools.islice(paragraphs, _BATCH)):
    words += sum(len(paragraph.split()) for paragraph in batch)
    ids = np.frombuffer(b''.join(cached.encode(batch)), dtype)
    pieces += len(ids)
    unknown += int(np.count_nonzero(ids == tokenizer.unk_id))
  return {
    'size': tokenizer.vocab_size,
    'words': words,
    'pieces_per_word': round(pieces / max(1, words), 4),
    'unknown_rate': round(unknown / max(1, pieces), 7),
  }


def output_folder(output: str) -> storage.Place:
  """The folder to write into, from a folder's name or that of a vocab.txt."""
  path = storage.path(output)
  if path.suffix and path.name != 'vocab.txt' and not storage.is_dir(path):
    what = f'{path}: the file has to be named vocab.txt'
    raise errors.InputError(f'{what}; name it so, or a folder, with --output')
  folder = path.parent if path.name == 'vocab.txt' else path
  for file in (folder / 'vocab.txt', folder / 'tokenizer_config.json'):
    if storage.exists(file):
      what = f'{file}: already exists, and a model may need it'
      raise errors.InputError(f'{what}; name another --output, or remove it')
  return folder


class Wanted(NamedTuple):
  """The vocabulary to build."""

  size: int  # Number of tokens.
  do_lower_case: bool  # Whether text is lower-cased, stripped of accents.
  sample_characters: int  # Of text to hold at most.
  character_coverage: float  # Fraction 0-1 of all that must have a token.


def build(
  patterns: Sequence[str],
  output: str,
  wanted: Wanted,
  compared: WordPieceTokenizer | None = None,
) -> dict[str, Any]:
  """Builds and writes a vocabulary; returns what `describe` puts into words.

  The output is a folder, or the name of a vocab.txt in it. Another vocabulary
  may be measured on the same held-out text.
  """
  folder = output_folder(output)
  sample = read_sample(patterns, wanted.sample_characters)
  texts, held_out = sample.split()
  rare, gone = rare_characters(texts, wanted.character_coverage)
  # BERT would drop a replacement character, and so join its neighbours.
  table = str.maketrans(dict.fromkeys(rare, ' '))
  plain = (p.translate(table) if rare else p for text in texts for p in text)
  pieces = build_vocabulary(plain, wanted.size, wanted.do_lower_case)
  tokenizer = WordPieceTokenizer(pieces, wanted.do_lower_case)
  try:
    tokenizer.save(folder)
  except OSError as error:
    what = f'{folder}: cannot be written ({error.strerror})'
    raise errors.InputError(f'{what}; name another --output') from None
  characters = sum(len(p) for text in texts for p in text)
  return {
    'vocabulary': str(folder / 'vocab.txt'),
    'sha256': tokenizer.sha256,
    'size': tokenizer.vocab_size,
    'characters': sum(len(p) == 1 for p in set(pieces) - set(SPECIALS)),
    'characters_left_out': len(rare),
    'covered': round(1 - gone / characters, 7),
    'articles': sample.articles,
    'sampled_share': sample.share,
    'sampled_articles': len(texts) + len(held_out),
    'sampled_characters': characters,
    'held_out': measure(held_out, tokenizer) if held_out else None,
    'compared': (
      measure(held_out, compared) if compared and held_out else None
    ),
  }


def describe(summary: dict[str, Any], wanted: int) -> str:
  """The summary as a person reads it."""
  lines = [
    f'{summary["vocabulary"]}: {summary["size"]:,} tokens,'
    f' {summary["characters"]:,} of them characters'
    f' ({100 * summary["covered"]:.4f} % of the text;'
    f' {summary["characters_left_out"]:,} rare ones left out)',
    f'from {summary["sampled_articles"]:,} of {summary["articles"]:,} records'
    f' (hash below {summary["sampled_share"]:g}),'
    f' {summary["sampled_characters"]:,} characters',
  ]
  if summary['size'] < wanted:
    lines.append(
      f'only {summary["size"]:,} tokens could be learned from this text'
    )
  names = (('held_out', 'this vocabulary'), ('compared', '--compare'))
  for name, which in names:
    if found := summary[name]:
      lines.append(
        f'held-out text, {which:16}{found["size"]:>8,} tokens'
        f'{found["pieces_per_word"]:>9.4f} per word'
        f'{100 * found["unknown_rate"]:>10.4f} % unknown'
      )
  return '\n'.join(lines)

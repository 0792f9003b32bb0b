"""Builds a vocabulary of word pieces from a corpus, for training from scratch.

    python scripts/build_vocabulary.py --input 'pubmed/*.xml.gz' --output DIR
        --size 30000 --do_lower_case false [--compare vocab.txt]
        [--compare_lower_case true] [--sample_characters N]
        [--character_coverage 0.99999]

Reads what `scripts/prepare_corpus.py` reads. Pieces are the merges of
SentencePiece's BPE, written as WordPiece: `vocab.txt`, and a
`tokenizer_config.json` that states the casing. The same input gives the same
bytes, whatever the order of the patterns.

All files are read, and of their articles a sample is kept, by the hash of their
ids: of half of them, a quarter and so on, until it has no more than
`--sample_characters` (default 100 million, about 65,000 abstracts), which
bounds memory. Of it a fiftieth is held out, to count pieces a word on, also
with the vocabulary that `--compare` names. Characters so rare that all of them
make up less than 1 - `--character_coverage` of the sample have no piece: each
takes two, and full texts hold thousands.

A table goes to standard error; the last line on standard output is one JSON
object. Exit codes: 0 done, 3 bad input.
"""

import argparse
import collections
import hashlib
import io
import json
import os
import pathlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import tqdm

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from biobert_jax import errors
from biobert_jax.preprocessing.token_shards import prepare
from biobert_jax.text.cached_wordpiece import CachedWordPiece
from biobert_jax.text.readers import any_format
from biobert_jax.text.readers.article import Article, Options
from biobert_jax.text.vocabulary import SPECIALS, build_vocabulary
from biobert_jax.text.wordpiece import WordPieceTokenizer, piece_dtype

_KEYS = 1 << 64
_HELD_OUT = 50  # One article of so many.
_BATCH = 1000  # Paragraphs.
_FILES = ('vocab.txt', 'tokenizer_config.json')

Text = tuple[str, ...]  # The paragraphs of an article.


class TextSample:
  """Articles whose ids hash low, as many as there is room for.

  The order in which they come does not matter: the bound on the hash is the
  largest of all, a half, a quarter, ... below which all articles fit.

  Attributes:
    articles: that were read.
    share: 0-1, of articles that are kept by their hash.
  """

  def __init__(self, characters: int):
    """Starts empty.

    Args:
      characters: to hold at most.
    """
    self.articles = 0
    self.share = 1.0
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
    parts = [paragraphs for _, paragraphs in any_format.documents(article)]
    text = tuple(paragraph for part in parts for paragraph in part)
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
  """Reads files into a sample.

  Args:
    patterns: of the input files.
    characters: of text to hold.

  Raises:
    InputError: No file, a file at fault, or no article that fits.
  """
  sample = TextSample(characters)
  counts: collections.Counter[str] = collections.Counter()
  # By path: the order of files decides between equal versions of an article.
  files = sorted(prepare.find_inputs(patterns), key=lambda file: file.path)
  for file in tqdm.tqdm(files, unit='file', disable=None):
    for item in any_format.read_file(
      file.path, counts, lambda reason, id: None, Options(), file.name
    ):
      if isinstance(item, Article):
        sample.add(item)
      else:
        sample.remove(item.id)
  if not sample.articles:
    raise errors.InputError(
      '--input: holds no article with text; name files that do'
    )
  if not sample.split()[0]:
    raise errors.InputError(
      f'--sample_characters {characters}: not one article fits; raise it'
    )
  return sample


def rare_characters(texts: Iterable[Text], coverage: float) -> tuple[str, int]:
  """The rarest characters, as many as may go.

  Args:
    texts: that are counted.
    coverage: fraction 0-1 of all characters that must stay.

  Returns:
    Those characters, and how many times they stand in the texts.
  """
  counts: collections.Counter[str] = collections.Counter()
  for text in texts:
    for paragraph in text:
      counts.update(paragraph)
  room = (1 - coverage) * counts.total()
  rare, gone = [], 0
  for char, count in sorted(counts.items(), key=lambda e: (e[1], e[0])):
    if gone + count > room:
      break
    rare.append(char)
    gone += count
  return ''.join(rare), gone


def measure(texts: Iterable[Text], tokenizer: WordPieceTokenizer) -> Any:
  """Pieces a white-space word of texts, and the share of unknown pieces."""
  bulk = CachedWordPiece(tokenizer)
  dtype = piece_dtype(tokenizer.vocab_size)
  words = pieces = unknown = 0
  for batch in _batches(texts):
    words += sum(len(paragraph.split()) for paragraph in batch)
    ids = np.frombuffer(b''.join(bulk.encode(batch)), dtype)
    pieces += len(ids)
    unknown += int(np.count_nonzero(ids == tokenizer.unk_id))
  return {
    'size': tokenizer.vocab_size,
    'words': words,
    'pieces_per_word': round(pieces / max(1, words), 4),
    'unknown_rate': round(unknown / max(1, pieces), 7),
  }


def _batches(texts: Iterable[Text]) -> Iterator[list[str]]:
  batch: list[str] = []
  for text in texts:
    batch += text
    if len(batch) >= _BATCH:
      yield batch
      batch = []
  yield batch


def output_folder(output: str) -> pathlib.Path:
  """The folder to write into, from a folder's name or that of a vocab.txt.

  Raises:
    InputError: A vocabulary is there, or the name is another file's.
  """
  path = pathlib.Path(output)
  if path.suffix and path.name != 'vocab.txt' and not path.is_dir():
    raise errors.InputError(
      f'{path}: the file has to be named vocab.txt; name it so, or a folder,'
      ' with --output'
    )
  folder = path.parent if path.name == 'vocab.txt' else path
  for name in _FILES:
    if (folder / name).exists():
      raise errors.InputError(
        f'{folder / name}: is there already, and a model may need it; name'
        ' another --output, or remove it'
      )
  return folder


def boolean(text: str) -> bool:
  """true or false, as the command line has it."""
  if text.lower() not in ('true', 'false'):
    raise argparse.ArgumentTypeError(f'{text!r} is not true or false')
  return text.lower() == 'true'


def parse(arguments: list[str]) -> argparse.Namespace:
  """Reads the command line."""
  parser = argparse.ArgumentParser(
    prog='build_vocabulary.py',
    description='Builds a vocabulary of word pieces from a corpus.',
  )
  add = parser.add_argument
  add('--input', nargs='+', required=True, action='extend', metavar='GLOB')
  add('--output', required=True, metavar='DIR', help='or DIR/vocab.txt')
  add('--size', type=int, required=True, help='pieces, such as 30000')
  add('--do_lower_case', type=boolean, required=True, help='true or false')
  add('--compare', metavar='vocab.txt', help='another vocabulary')
  add('--compare_lower_case', type=boolean, help='default: --do_lower_case')
  add('--sample_characters', type=int, default=100_000_000, metavar='N')
  add('--character_coverage', type=float, default=0.99999, metavar='0-1')
  return parser.parse_args(arguments)


def run(flags: argparse.Namespace) -> None:
  """Builds, writes and measures the vocabulary that the flags ask for."""
  if flags.sample_characters < 1 or not 0 < flags.character_coverage <= 1:
    raise errors.InputError(
      '--sample_characters must be at least 1, --character_coverage above 0 and'
      ' at most 1'
    )
  folder = output_folder(flags.output)
  compared = None
  if flags.compare:
    other = flags.compare_lower_case
    casing = flags.do_lower_case if other is None else other
    compared = WordPieceTokenizer.from_vocab_file(flags.compare, casing)
  sample = read_sample(flags.input, flags.sample_characters)
  texts, held_out = sample.split()
  rare, gone = rare_characters(texts, flags.character_coverage)
  # BERT would drop a replacement character, and so join its neighbours.
  table = str.maketrans(dict.fromkeys(rare, ' '))
  plain = (p.translate(table) if rare else p for text in texts for p in text)
  pieces = build_vocabulary(plain, flags.size, flags.do_lower_case)
  tokenizer = WordPieceTokenizer(pieces, flags.do_lower_case)
  try:
    tokenizer.save(folder)
  except OSError as error:
    raise errors.InputError(
      f'{folder}: cannot be written ({error.strerror}); name another --output'
    ) from None
  characters = sum(len(p) for text in texts for p in text)
  summary = {
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
  print(describe(summary, flags.size), file=sys.stderr)
  print(json.dumps(summary, ensure_ascii=False))


def describe(summary: dict[str, Any], wanted: int) -> str:
  """The summary as a person reads it."""
  lines = [
    f'{summary["vocabulary"]}: {summary["size"]:,} pieces,'
    f' {summary["characters"]:,} of them characters'
    f' ({100 * summary["covered"]:.4f} % of the text;'
    f' {summary["characters_left_out"]:,} rare ones left out)',
    f'from {summary["sampled_articles"]:,} of {summary["articles"]:,} records'
    f' (hash below {summary["sampled_share"]:g}),'
    f' {summary["sampled_characters"]:,} characters',
  ]
  if summary['size'] < wanted:
    lines.append(f'fewer than the {wanted:,} asked for: the text has no more')
  for name in ('held_out', 'compared'):
    if found := summary[name]:
      which = 'this vocabulary' if name == 'held_out' else '--compare'
      lines.append(
        f'held-out text, {which:16}{found["size"]:>8,} pieces'
        f'{found["pieces_per_word"]:>9.4f} a word'
        f'{100 * found["unknown_rate"]:>10.4f} % unknown'
      )
  return '\n'.join(lines)


def main(arguments: list[str]) -> int:
  """Runs the command; returns the exit code."""
  return errors.exit_code_of(lambda: run(parse(arguments)))


if __name__ == '__main__':
  for stream in (sys.stdout, sys.stderr):
    if isinstance(stream, io.TextIOWrapper):
      stream.reconfigure(encoding='utf-8')
  sys.exit(main(sys.argv[1:]))

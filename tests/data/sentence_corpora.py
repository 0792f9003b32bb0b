"""Corpora of numbered pieces, the reference's pairs, and what pairs must be."""

import dataclasses
import functools
import pathlib
from collections.abc import Sequence

import numpy as np

from biobert_jax.data import shards
from biobert_jax.data.vocabulary import SPECIALS
from biobert_jax.data.wordpiece import WordPieceTokenizer

FIRST = len(SPECIALS)  # The id of the corpus's first piece.


@functools.cache
def tokenizer_of(pieces: int) -> WordPieceTokenizer:
  names = (f'x{number}' for number in range(pieces))
  return WordPieceTokenizer((*SPECIALS, *names), True)


@dataclasses.dataclass(frozen=True)
class Corpus:
  """Shards whose every piece has an id of its own, from `FIRST` on.

  Attributes:
    shards: the corpus.
    tokenizer: of so many pieces.
    article: [pieces] number of the article of each.
    document: [pieces] number of the document of each.
    sentence: [pieces] number of the sentence of each; empty ones have none.
    lengths: sentence lengths of each document.
  """

  shards: shards.Shards
  tokenizer: WordPieceTokenizer
  article: np.ndarray
  document: np.ndarray
  sentence: np.ndarray
  lengths: list[list[int]]


def write(
  folder: pathlib.Path,
  articles: Sequence[Sequence[Sequence[int]]],
  num_shards: int = 2,
) -> Corpus:
  """Writes a corpus.

  Args:
    folder: where to.
    articles: of each its documents, of each its sentences' lengths.
    num_shards: files.
  """
  documents = [
    (f'pmcid:PMC{i}#{j}' if j else f'pmcid:PMC{i}', list(lengths), i)
    for i, article in enumerate(articles)
    for j, lengths in enumerate(article)
  ]
  sizes = [sum(lengths) for _, lengths, _ in documents]
  tokenizer = tokenizer_of(sum(sizes))
  ids = FIRST + np.arange(sum(sizes))
  parts = np.split(ids, np.cumsum(sizes)[:-1])
  dtype = shards.piece_dtype(tokenizer.vocab_size)
  records = [
    (
      shards.encode_document(
        id, part.astype(dtype).tobytes(), np.array(lengths, '<u2').tobytes()
      ),
      len(part),
      len(lengths),
    )
    for (id, lengths, _), part in zip(documents, parts, strict=True)
  ]
  cuts = [len(records) * i // num_shards for i in range(num_shards + 1)]
  entries = [
    shards.write_shard(
      folder, 'train', i, num_shards, records[cuts[i] : cuts[i + 1]]
    )
    for i in range(num_shards)
  ]
  shards.write_json(
    folder / shards.MANIFEST,
    {
      'format': shards.FORMAT,
      'vocabulary': shards.describe_vocabulary(tokenizer),
      'splits': {'train': {'shards': entries}},
    },
  )
  every = [n for _, lengths, _ in documents for n in lengths if n]
  return Corpus(
    shards.Shards(folder),
    tokenizer,
    np.repeat([i for _, _, i in documents], sizes),
    np.repeat(np.arange(len(sizes)), sizes),
    np.repeat(np.arange(len(every)), every),
    [lengths for _, lengths, _ in documents],
  )


def abstracts(count: int, seed: int = 0) -> list[list[list[int]]]:
  """Articles of one to three documents, as uneven as real ones."""
  draw = np.random.default_rng(seed)
  return [
    [
      np.minimum(1 + draw.gamma(2, 16, draw.geometric(0.1)), 120)
      .astype(int)
      .tolist()
      for _ in range(draw.integers(1, 4))
    ]
    for _ in range(count)
  ]


def reference_pairs(
  documents: Sequence[Sequence[int]],
  number: int,
  longest: int,
  short_seq_prob: float,
  draw: np.random.Generator,
) -> list[tuple[int, int, bool]]:
  """What the reference makes of a document, by lengths alone.

  Args:
    documents: sentence lengths of each.
    number: of the document.
    longest: pieces of a pair, without specials.
    short_seq_prob: share 0-1 of documents with a shorter target.
    draw: all luck.

  Returns:
    Pieces of A, pieces of B and whether B is random, of each pair.
  """
  sentences = documents[number]
  target = longest
  if draw.random() < short_seq_prob:
    target = int(draw.integers(2, longest + 1))
  pairs, at = [], 0
  while at < len(sentences):
    end = at + 1
    while end < len(sentences) and sum(sentences[at:end]) < target:
      end += 1
    middle = at + 1 if end == at + 1 else int(draw.integers(at + 1, end))
    a = sum(sentences[at:middle])
    is_random = end == at + 1 or draw.random() < 0.5
    if is_random:
      other = number
      while other == number:
        other = int(draw.integers(len(documents)))
      first = int(draw.integers(len(documents[other])))
      b = 0
      for length in documents[other][first:]:
        b += length
        if b >= target - a:
          break
      end = middle
    else:
      b = sum(sentences[middle:end])
    pairs.append((*cut_pair(a, b, longest), is_random))
    at = end
  return pairs


def cut_pair(a: int, b: int, limit: int) -> tuple[int, int]:
  """Takes a piece from the longer, from B where they are equal."""
  while a + b > limit:
    if a > b:
      a -= 1
    else:
      b -= 1
  return a, b


def pairs_of(
  corpus: Corpus, batch: dict[str, np.ndarray]
) -> list[tuple[np.ndarray, np.ndarray, int, int]]:
  """(A, B, label, pieces of room) of each pair; checks all of its arrays.

  A and B are piece numbers in the corpus; B is empty where A stands alone.
  """
  cls_id, sep_id = corpus.tokenizer.cls_id, corpus.tokenizer.sep_id
  found = []
  for row in range(len(batch['input_ids'])):
    ids, segments, positions, of = (
      batch[name][row]
      for name in ('input_ids', 'segment_ids', 'position_ids', 'sequence_ids')
    )
    count = of.max(initial=0)
    real = int((of > 0).sum())
    assert np.all(np.diff(of[:real]) >= 0)
    assert not of[real:].any()
    for array in (ids, segments, positions):
      assert not array[real:].any()
    cls_positions = batch['cls_positions'][row]
    labels = batch['next_sentence_labels'][row]
    assert not cls_positions[count:].any()
    assert np.all(labels[count:] == -1)
    for number in range(1, count + 1):
      (place,) = np.nonzero(of == number)
      assert place[0] == cls_positions[number - 1]
      assert positions[place].tolist() == list(range(len(place)))
      (seps,) = np.nonzero(ids[place] == sep_id)
      assert ids[place[0]] == cls_id
      assert seps[-1] == len(place) - 1
      a = ids[place[1 : seps[0]]]
      b = ids[place[seps[0] + 1 : -1]]
      assert len(seps) == (2 if len(b) else 1)
      assert len(a)
      assert not segments[place[: seps[0] + 1]].any()
      assert np.all(segments[place[seps[0] + 1 :]] == 1)
      label = labels[number - 1]
      assert (label == -1) == (len(b) == 0)
      found.append((a - FIRST, b - FIRST, label, len(ids) - place[0]))
  return found


def check_pairs(
  corpus: Corpus, batch: dict[str, np.ndarray], other_articles: bool = True
) -> list[tuple[np.ndarray, np.ndarray, int, int]]:
  """Segments are text of a document; next is next, and random is another."""
  found = pairs_of(corpus, batch)
  for a, b, label, room in found:
    for part in (a, b):
      assert np.all(np.diff(part) == 1)
      assert len(set(corpus.document[part])) == (1 if len(part) else 0)
    full = len(a) + len(b) + 3 == room
    first = corpus.sentence[a[0]]
    if label == 0:
      assert corpus.document[a[0]] == corpus.document[b[0]]
      # Only a pair that fills the room has lost pieces.
      assert b[0] == a[-1] + 1 or (full and b[0] > a[-1])
      if not full:
        assert corpus.sentence[b[0]] == corpus.sentence[a[-1]] + 1
    if label == 1 and other_articles:
      assert corpus.article[a[0]] != corpus.article[b[0]]
    if label >= 0 and not full:
      for part in (a, b):  # Whole sentences.
        assert part[0] == 0 or (
          corpus.sentence[part[0] - 1] != corpus.sentence[part[0]]
        )
        assert part[-1] + 1 == len(corpus.sentence) or (
          corpus.sentence[part[-1] + 1] != corpus.sentence[part[-1]]
        )
    if label == -1 and room == batch['input_ids'].shape[1]:
      assert np.all(corpus.sentence[a] == first)
  return found

"""The parts of benchmark.py that pre-train: rows, and steps over them.

Both set our packed rows against rows as google-research/bert makes them, a pair
of segments and then padding. Text is the abstracts of `$BIOBERT_DATA`, under
BERT's cased vocabulary, where they are, else the sentences that the other parts
take, ten to an article. Nothing here imports TensorFlow.
"""

import itertools
import json
import os
import pathlib
import random
import tempfile
from collections.abc import Iterator

import numpy as np

from biobert_jax.data.ner.corpus import Sentence
from biobert_jax.data.packing import Batch
from biobert_jax.data.pretraining.sequences import PretrainingSequences
from biobert_jax.data.pretraining.shards import Shards
from biobert_jax.models.config import BertConfig
from biobert_jax.preprocessing.token_shards import prepare
from biobert_jax.tasks import pretraining
from biobert_jax.tasks.masking import Masking
from biobert_jax.tasks.task import Task
from biobert_jax.text.wordpiece import WordPieceTokenizer
from scripts.benchmark.timing import seconds_of_each, step_of

LENGTH, ROWS = 512, 8
PREDICTIONS = 80  # Of a row, as published.
TEXTS = ('pmc-oa-ccby/abstracts.jsonl', 'pubmed-xml/pubmed20n1015.xml.gz')
VOCABULARY = 'vocab-bert-base-cased/vocab.txt'
_SENTENCES = 10  # Of an article, where there are only sentences.

Documents = list[list[list[int]]]


def data_folder() -> pathlib.Path:
  """Where real text would be."""
  default = pathlib.Path(__file__).resolve().parents[3] / 'shared' / 'data'
  return pathlib.Path(os.environ.get('BIOBERT_DATA', default))


def write_articles(sentences: list[Sentence], path: pathlib.Path) -> None:
  """Sentences as articles, in JSON lines."""
  texts = [' '.join(sentence.tokens) for sentence in sentences]
  with path.open('w', encoding='utf-8') as file:
    for first in range(0, len(texts), _SENTENCES):
      article = {'id': f'{first}', 'text': texts[first : first + _SENTENCES]}
      file.write(json.dumps(article) + '\n')


def prepare_shards(
  folder: pathlib.Path, sentences: list[Sentence], tokenizer: WordPieceTokenizer
) -> tuple[Shards, WordPieceTokenizer]:
  """A corpus in a folder, and the vocabulary that it has."""
  data = data_folder()
  inputs = [str(data / name) for name in TEXTS if (data / name).is_file()]
  if inputs and (data / VOCABULARY).is_file():
    path = str(data / VOCABULARY)
    tokenizer = WordPieceTokenizer.from_vocab_file(path, do_lower_case=False)
  else:
    inputs = [str(folder / 'articles.jsonl')]
    write_articles(sentences, folder / 'articles.jsonl')
  prepare.prepare(inputs, folder / 'shards', tokenizer, workers=1)
  return Shards(folder / 'shards', tokenizer=tokenizer), tokenizer


def rows_of(
  shards: Shards, tokenizer: WordPieceTokenizer, pack: bool
) -> PretrainingSequences:
  """Our rows, or the reference's."""
  return PretrainingSequences(
    shards,
    tokenizer,
    max_seq_length=LENGTH,
    pack=pack,
    single_sentence='unlabelled' if pack else 'random',
  )


def useful(batch: Batch) -> int:
  """Pieces of a batch, padding left out."""
  return int((batch['sequence_ids'] > 0).sum())


def task_of(tokenizer: WordPieceTokenizer) -> Task:
  """Pre-training of a small BERT: 2 layers of 128."""
  bert = BertConfig.tiny(vocab_size=tokenizer.vocab_size)
  masking = Masking(
    rate=0.15,
    max_predictions=PREDICTIONS,
    whole_word=False,
    mask_id=tokenizer.mask_id,
    never_masked=(tokenizer.cls_id, tokenizer.sep_id),
    replacements=np.arange(tokenizer.vocab_size, dtype=np.int32),
    continuations=np.zeros(tokenizer.vocab_size, bool),
  )
  return pretraining.make_task(bert, masking, next_sentence=True)


def time_pretraining(
  sentences: list[Sentence], tokenizer: WordPieceTokenizer
) -> dict[str, float]:
  """Pieces that are no padding, a second in the step; peer: a pair a row.

  A step costs the same whatever its rows hold, so a rate is what rows hold on
  average over the seconds of a step. The model, 2 layers of 128, is the same.
  """
  with tempfile.TemporaryDirectory() as name:
    shards, tokenizer = prepare_shards(pathlib.Path(name), sentences, tokenizer)
    task, fills, steps = task_of(tokenizer), [], []
    for pack in (True, False):
      rows = rows_of(shards, tokenizer, pack)
      fills.append(rows.statistics()['fill'])
      batch = rows.train_batch(0, ROWS)
      features = rows.feature_shapes(ROWS)
      steps.append(step_of(task, {n: batch[n] for n in features}))
    times = seconds_of_each(steps, 9)
  rates = [
    fill * ROWS * LENGTH / taken
    for fill, taken in zip(fills, times, strict=True)
  ]
  return {
    'ours_pieces_per_second': rates[0],
    'peer_pieces_per_second': rates[1],
    'ours_fill_percent': 100 * fills[0],
    'peer_fill_percent': 100 * fills[1],
    'ratio': rates[0] / rates[1],
  }


def time_rows(
  sentences: list[Sentence], tokenizer: WordPieceTokenizer
) -> dict[str, float]:
  """Rows of an epoch on the host; peer: the reference's loops, in Python.

  The peer holds all documents in memory, ours reads shards on the disk; neither
  masks. Rates are pieces, specials counted and padding not.
  """
  with tempfile.TemporaryDirectory() as name:
    shards, tokenizer = prepare_shards(pathlib.Path(name), sentences, tokenizer)
    rows = rows_of(shards, tokenizer, True)
    documents = sentences_of(shards)
    steps = max(1, rows.num_rows // ROWS)
    epochs = itertools.count()
    pieces = [0, 0]

    def ours() -> None:
      first = next(epochs) * steps  # Rows that were not made before.
      batches = (rows.train_batch(first + i, ROWS) for i in range(steps))
      pieces[0] = sum(useful(batch) for batch in batches)

    def peer() -> None:
      batches = reference_batches(documents, tokenizer, random.Random(0))
      pieces[1] = sum(useful(batch) for batch in batches)

    times = seconds_of_each([ours, peer], 3)
  rates = [count / taken for count, taken in zip(pieces, times, strict=True)]
  return {
    'ours_pieces_per_second': rates[0],
    'peer_pieces_per_second': rates[1],
    'ratio': rates[0] / rates[1],
  }


def sentences_of(shards: Shards) -> Documents:
  """All documents, as the reference holds them: lists of lists."""
  documents = []
  for document in shards.read(0, len(shards)):
    cuts = np.cumsum(document.sentence_lengths)[:-1]
    parts = np.split(document.input_ids, cuts)
    documents.append([part.tolist() for part in parts if len(part)])
  return [document for document in documents if document]


def reference_batches(
  documents: Documents, tokenizer: WordPieceTokenizer, draw: random.Random
) -> Iterator[Batch]:
  """Batches of an epoch, as create_pretraining_data.py lays rows out."""
  batch: list[tuple[list[int], list[int]]] = []
  for number in range(len(documents)):
    for a, b in reference_pairs(documents, number, draw):
      tokens = [tokenizer.cls_id, *a, tokenizer.sep_id, *b, tokenizer.sep_id]
      segments = [0] * (len(a) + 2) + [1] * (len(b) + 1)
      batch.append((tokens, segments))
      if len(batch) == ROWS:
        yield padded(batch)
        batch = []


def padded(batch: list[tuple[list[int], list[int]]]) -> Batch:
  """Rows of a batch as arrays."""
  arrays = {
    name: np.zeros((len(batch), LENGTH), np.int32)
    for name in ('input_ids', 'segment_ids', 'sequence_ids')
  }
  for row, (tokens, segments) in enumerate(batch):
    arrays['input_ids'][row, : len(tokens)] = tokens
    arrays['segment_ids'][row, : len(tokens)] = segments
    arrays['sequence_ids'][row, : len(tokens)] = 1
  return arrays


def reference_pairs(
  documents: Documents, number: int, draw: random.Random
) -> Iterator[tuple[list[int], list[int]]]:
  """Segments of a document (create_pretraining_data.py:225-338)."""
  document, longest = documents[number], LENGTH - 3
  short = draw.random() < 0.1
  target = draw.randint(2, longest) if short else longest
  chunk: list[list[int]] = []
  at = 0
  while at < len(document):
    chunk.append(document[at])
    enough = sum(map(len, chunk)) >= target
    if at == len(document) - 1 or enough:
      first = draw.randint(1, len(chunk) - 1) if len(chunk) > 1 else 1
      a = [piece for sentence in chunk[:first] for piece in sentence]
      if len(chunk) == 1 or draw.random() < 0.5:
        b = random_segment(documents, number, target - len(a), draw)
        at -= len(chunk) - first
      else:
        b = [piece for sentence in chunk[first:] for piece in sentence]
      while len(a) + len(b) > longest:
        longer = a if len(a) > len(b) else b
        longer.pop(0 if draw.random() < 0.5 else -1)
      yield a, b
      chunk = []
    at += 1


def random_segment(
  documents: Documents, number: int, wanted: int, draw: random.Random
) -> list[int]:
  """Sentences of another document, from a random one on."""
  for _ in range(10):
    other = draw.randrange(len(documents))
    if other != number:
      break
  segment: list[int] = []
  for sentence in documents[other][draw.randrange(len(documents[other])) :]:
    segment.extend(sentence)
    if len(segment) >= wanted:
      break
  return segment

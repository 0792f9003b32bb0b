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
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from biobert_jax.commands.config_files import load_config
from biobert_jax.data.ner.corpus import Sentence
from biobert_jax.data.packing import Batch
from biobert_jax.data.pretraining.sequences import PretrainingSequences
from biobert_jax.data.pretraining.shards import Shards
from biobert_jax.models.config import BertConfig
from biobert_jax.parallel import sharding
from biobert_jax.preprocessing.token_shards import prepare
from biobert_jax.tasks import pretraining
from biobert_jax.tasks.masking import Masking
from biobert_jax.tasks.task import Task
from biobert_jax.text.wordpiece import WordPieceTokenizer
from biobert_jax.training import optimizer, train_step
from biobert_jax.training.plan import Plan

LENGTH, ROWS = 512, 8
PREDICTIONS = 80  # Of a row, as published.
TEXTS = ('pmc-oa-ccby/abstracts.jsonl', 'pubmed-xml/pubmed20n1015.xml.gz')
VOCABULARY = 'vocab-bert-base-cased/vocab.txt'
_SENTENCES = 10  # Of an article, where there are only sentences.
_ROOT = pathlib.Path(__file__).resolve().parents[2]
# Where real text would be.
DATA = pathlib.Path(
  os.environ.get('BIOBERT_DATA', _ROOT.parent / 'shared' / 'data')
)

Documents = list[list[list[int]]]


def compared(what: str, ours: float, baseline: float) -> dict[str, float]:
  """Two rates, of which more is better, and our multiple of the baseline's."""
  return {
    f'ours_{what}_per_second': ours,
    f'baseline_{what}_per_second': baseline,
    'ratio': ours / baseline,
  }


def seconds(*functions: Callable[[], Any], repeats: int = 5) -> list[float]:
  """The median time of each, after a call of each that warms up.

  They are called in turn, so that what else runs slows each alike.
  """
  times: list[list[float]] = [[] for _ in functions]
  for turn in range(1 + repeats):
    for taken, function in zip(times, functions, strict=True):
      began = time.perf_counter()
      function()
      if turn:
        taken.append(time.perf_counter() - began)
  return [float(np.median(taken)) for taken in times]


def step_of(task: Task, batch: Batch) -> Callable[[], None]:
  """A call that takes a compiled step of a task, always on the same batch."""
  config = load_config('ner_ncbi_disease:tiny')
  _, update = optimizer.of_config(config, Plan.of(config, 1000))
  mesh = sharding.make_mesh('dp', 1)
  shapes = {name: array.shape for name, array in batch.items()}
  step = train_step.step_of(config, task, update, mesh, shapes)
  compiled = train_step.lower_train_step(*step.lowering).compile()
  key = train_step.step_key(config)
  state = train_step.create_state(task.init, update, key, step.shardings)
  placed = sharding.shard_host_batch(batch, mesh)

  def once() -> None:
    nonlocal state
    state, _ = compiled(state, placed, key)
    jax.block_until_ready(state)

  return once


def prepare_shards(
  folder: pathlib.Path, sentences: list[Sentence], tokenizer: WordPieceTokenizer
) -> tuple[Shards, WordPieceTokenizer]:
  """A corpus in a folder, and the vocabulary that it has."""
  inputs = [str(DATA / name) for name in TEXTS if (DATA / name).is_file()]
  if inputs and (DATA / VOCABULARY).is_file():
    path = str(DATA / VOCABULARY)
    tokenizer = WordPieceTokenizer.from_vocab_file(path, do_lower_case=False)
  else:
    texts = [' '.join(sentence.tokens) for sentence in sentences]
    articles = [
      {'id': f'{first}', 'text': texts[first : first + _SENTENCES]}
      for first in range(0, len(texts), _SENTENCES)
    ]
    file = folder / 'articles.jsonl'
    file.write_text('\n'.join(map(json.dumps, articles)), 'utf-8')
    inputs = [str(file)]
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
  """Useful tokens per second of the step; baseline: one pair per row.

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
    ours, baseline = seconds(*steps, repeats=9)
  return {
    'ours_fill_percent': 100 * fills[0],
    'baseline_fill_percent': 100 * fills[1],
    **compared(
      'tokens',
      fills[0] * ROWS * LENGTH / ours,
      fills[1] * ROWS * LENGTH / baseline,
    ),
  }


def time_rows(
  sentences: list[Sentence], tokenizer: WordPieceTokenizer
) -> dict[str, float]:
  """Rows of an epoch on the host; baseline: the reference's loops, in Python.

  The baseline holds all documents in memory, ours reads shards on the disk;
  neither masks. Rates are of tokens, specials counted and padding not.
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

    def baseline() -> None:
      batches = reference_batches(documents, tokenizer, random.Random(0))
      pieces[1] = sum(useful(batch) for batch in batches)

    times = seconds(ours, baseline, repeats=3)
  return compared('tokens', pieces[0] / times[0], pieces[1] / times[1])


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

"""Times the parts of the system, each against a baseline in the same run.

    python scripts/benchmark/benchmark.py [PART ...]

The parts are tokenizer, packing, input, step (of a tagger), rows and
pretraining; all of them by default. Prints a table, and as its last line one
JSON object. A ratio above 1 says that ours is faster. Text is
`$BIOBERT_DATA/ncbi-disease` where it is, else the embedded sample; for rows and
pretraining see pretraining.py. Only `input` imports TensorFlow, so
the others run on a box without it. Comparisons of whole trainings with
Hugging Face stand in tests/comparison: ner_finetune_comparison.py and
pretraining_comparison.py.
"""

import argparse
import json
import pathlib
import sys
from collections import Counter
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import jax
import numpy as np

from biobert_jax.data import windows
from biobert_jax.data.ner import corpus as corpora
from biobert_jax.data.packing import FEATURES, PackedRows
from biobert_jax.models.config import BertConfig
from biobert_jax.tasks import ner
from biobert_jax.text.vocabulary import build_vocabulary
from biobert_jax.text.wordpiece import WordPieceTokenizer
from scripts.benchmark import pretraining
from scripts.benchmark.pretraining import compared, seconds, step_of

LENGTH, ROWS = 128, 8

Sentences = list[corpora.Sentence]


def corpus() -> tuple[str, Sentences]:
  """Name and training sentences of the text that is timed."""
  folder = pretraining.DATA / 'ncbi-disease'
  if not folder.is_dir():
    folder = ROOT / 'biobert_jax' / 'sample' / 'ner'
  return folder.name, corpora.read_split(folder, 'train', Counter())


def rows_of(
  sentences: Sentences, tokenizer: WordPieceTokenizer, pack: bool
) -> PackedRows:
  """The sentences as rows of `LENGTH`, labels all 0."""
  encoded = windows.encode(
    [s.tokens for s in sentences],
    tokenizer,
    max_seq_length=LENGTH,
    overlap=32,
    counts=Counter(),
  )
  labels = np.zeros(encoded.num_words, np.int32)
  return PackedRows(encoded, labels, max_seq_length=LENGTH, pack=pack)


def time_tokenizer(
  sentences: Sentences, tokenizer: WordPieceTokenizer
) -> dict[str, float]:
  """Words to tokens; baseline: the Rust library's own batch call."""
  words = [word for s in sentences for word in s.tokens]
  lists = [list(s.tokens) for s in sentences]
  options = {'is_pretokenized': True, 'add_special_tokens': False}
  ours, baseline = seconds(
    lambda: tokenizer.encode_words(words),
    lambda: tokenizer._backend.encode_batch(lists, **options),
  )
  return compared('words', len(words) / ours, len(words) / baseline)


def time_packing(
  sentences: Sentences, tokenizer: WordPieceTokenizer
) -> dict[str, float]:
  """Positions to compute; baseline: batches padded to their longest.

  The baseline's batches hold as many sentences, in random order.
  """
  packed = rows_of(sentences, tokenizer, True)
  lengths = packed.windows.lengths
  each = max(1, round(ROWS * len(lengths) / packed.num_rows))
  order = np.random.default_rng(0).permutation(len(lengths))
  shuffled = lengths[order]
  batches = [shuffled[i : i + each] for i in range(0, len(shuffled), each)]
  dynamic = sum(int(b.max()) * len(b) for b in batches)
  return {
    'padding_percent': 100 * (1 - packed.fill),
    'baseline_padding_percent': 100 * (1 - lengths.sum() / dynamic),
    'ratio': dynamic / (packed.num_rows * LENGTH),
  }


def time_input(
  sentences: Sentences, tokenizer: WordPieceTokenizer
) -> dict[str, float]:
  """tf.data batches per second; baseline: the same batches without tf.data."""
  from biobert_jax.data import input_pipeline

  rows, steps = rows_of(sentences, tokenizer, True), 300

  def by_tf_data() -> None:
    for _ in input_pipeline.train_batches(
      rows, batch_size=ROWS, start_step=0, num_steps=steps
    ):
      pass

  def by_numpy() -> None:
    for step in range(steps):
      rows.train_batch(step, ROWS)

  ours, baseline = seconds(by_tf_data, by_numpy, repeats=3)
  return compared('batches', steps / ours, steps / baseline)


def time_step(
  sentences: Sentences, tokenizer: WordPieceTokenizer
) -> dict[str, float]:
  """Sentences per second of the step; baseline: one sentence per row."""
  bert = BertConfig(
    vocab_size=tokenizer.vocab_size,
    hidden_size=256,
    num_hidden_layers=4,
    num_attention_heads=4,
    intermediate_size=1024,
  )
  task = ner.make_task(bert, ('O', 'B', 'I'))
  rates = []
  for pack in (True, False):
    rows = rows_of(sentences, tokenizer, pack)
    batch = rows.train_batch(0, ROWS)
    (taken,) = seconds(step_of(task, {n: batch[n] for n in FEATURES}))
    rates.append(ROWS * len(rows.windows.lengths) / rows.num_rows / taken)
  return compared('sentences', *rates)


PARTS = {
  'tokenizer': time_tokenizer,
  'packing': time_packing,
  'input': time_input,
  'step': time_step,
  'rows': pretraining.time_rows,
  'pretraining': pretraining.time_pretraining,
}


def main() -> None:
  """Runs the parts that are named, or all."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('parts', nargs='*', choices=[*PARTS, []])
  chosen = parser.parse_args().parts or list(PARTS)
  name, sentences = corpus()
  texts = [' '.join(s.tokens) for s in sentences]
  tokenizer = WordPieceTokenizer(build_vocabulary(texts, 8000), False)
  device = jax.devices()[0].device_kind
  report: dict[str, Any] = {'corpus': name, 'device': device}
  sys.stderr.write(f'{name}: {len(sentences)} sentences, on {device}\n')
  for part in chosen:
    figures = PARTS[part](sentences, tokenizer)
    report[part] = {k: round(v, 3) for k, v in figures.items()}
    shown = ', '.join(f'{k} {v:,.2f}' for k, v in figures.items())
    sys.stderr.write(f'{part:10} {shown}\n')
  print(json.dumps(report))


if __name__ == '__main__':
  main()

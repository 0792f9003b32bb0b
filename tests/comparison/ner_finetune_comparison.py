"""One recipe in two systems, one after the other: entity scores and speed.

    BIOBERT_BASELINE_PYTHON=.venv/baselines/bin/python \
      .venv/bin/python tests/comparison/ner_finetune_comparison.py \
      [--data=DIR] [--model=DIR] [--epochs=3] [--limit=N] [--seed=0] \
      [--threads=2]

Fine-tunes the baselines' 6-layer checkpoint on NCBI-disease, with biobert_jax
and then with transformers on PyTorch (hf_finetune.py): batches of 32 sentences
(here packed, 9 rows of 128 pieces; there padded to the longest), peak rate
1e-4, warmup over a tenth of the steps, decay to 0, clip 1.0, dropout 0.1. Both
test predictions are scored by biobert-jax score. Rates are training sentences
times epochs over the seconds of the whole process: start, compilation,
training, scores and files (ours scores devel twice besides). Wanted: F1 within
one point, at 1.5 times the rate. The whole run takes about 25 minutes on 2
cores, and its timings count only on an otherwise idle machine; --limit=N keeps
N sentences of each split, to see that all runs and for nothing else.

A table, and on the last line one JSON object, go to standard output.
"""

import argparse
import json
import pathlib
import sys
import tempfile
import time
from collections import Counter
from typing import Any

# The script's own folder stands first; `tests` is beside `biobert_jax`.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from biobert_jax.data.ner import corpus as ner_corpus
from tests.comparison import baseline

_SPLITS = ('train', 'devel', 'test')
_LEARNING_RATE = 1e-4
_SENTENCES = 32  # Of a baseline's batch.
_ROWS = 9  # Packed, 5,424 sentences of NCBI-disease take 1,462 rows of 128.


def copy_corpus(
  source: pathlib.Path, target: pathlib.Path, limit: int | None
) -> int:
  """Writes each split, or its first sentences, in plain columns.

  Args:
    source: a corpus folder.
    target: a folder that exists.
    limit: sentences of a split at most; None for all.

  Returns:
    Training sentences.
  """
  sizes = {}
  for split in _SPLITS:
    kept = ner_corpus.read_split(source, split, Counter())[:limit]
    blocks = [
      ''.join(f'{t}\t{tag}\n' for t, tag in zip(s.tokens, s.tags, strict=True))
      for s in kept
    ]
    (target / f'{split}.tsv').write_text('\n'.join(blocks), 'utf-8')
    sizes[split] = len(kept)
  return sizes['train']


def timed(*arguments: object, python: str = '') -> float:
  """Seconds of a whole process. Its scores are counted from its files."""
  began = time.perf_counter()
  baseline.run(*arguments, python=python)
  return time.perf_counter() - began


def run_ours(
  flags: argparse.Namespace, corpus: pathlib.Path, workdir: pathlib.Path
) -> tuple[float, pathlib.Path]:
  """Trains with biobert_jax: (seconds, test predictions)."""
  keys = {
    'init_from': flags.model,
    'data.dir': corpus,
    'seed': flags.seed,
    'batch_size': flags.rows,
    'optim.learning_rate': _LEARNING_RATE,
    'optim.warmup_fraction': 0.1,
    'train.epochs': flags.epochs,
    'train.evaluations': 1,
  }
  seconds = timed(
    *('-m', 'biobert_jax', 'train'),
    '--config=configs/ner_ncbi_disease.py:base',
    f'--workdir={workdir}',
    *(f'--config.{key}={value}' for key, value in keys.items()),
    python=sys.executable,
  )
  return seconds, workdir / 'predictions_test.tsv'


def run_baseline(
  flags: argparse.Namespace, corpus: pathlib.Path, output: pathlib.Path
) -> tuple[float, pathlib.Path]:
  """Trains with transformers and PyTorch: (seconds, test predictions)."""
  keys = {
    'model': flags.model,
    'data': corpus,
    'output': output,
    'seed': flags.seed,
    'batch_size': _SENTENCES,
    'learning_rate': _LEARNING_RATE,
    'epochs': flags.epochs,
    'threads': flags.threads,
  }
  seconds = timed(
    baseline.script('hf_finetune.py'),
    *(f'--{key}={value}' for key, value in keys.items()),
  )
  return seconds, output


def figures(
  seconds: float, predictions: pathlib.Path, sentences: int
) -> dict[str, float]:
  """Scores (percent) and rate of one system.

  Args:
    seconds: of its process.
    predictions: its test predictions.
    sentences: that it was trained on, all epochs together.

  Returns:
    `precision`, `recall`, `f1`, `sentences_per_second` and `seconds`.
  """
  printed = baseline.run(
    *('-m', 'biobert_jax', 'score', 'ner', predictions, '--bootstrap=0'),
    python=sys.executable,
  )
  scores = json.loads(printed.splitlines()[-1])
  return {
    **{name: scores[name] for name in ('precision', 'recall', 'f1')},
    'sentences_per_second': sentences / seconds,
    'seconds': seconds,
  }


def table(report: dict[str, Any]) -> str:
  """The report as a person reads it."""
  lines = [f'{"":6}{"P":>8}{"R":>8}{"F1":>8}{"sentences/s":>13}{"seconds":>10}']
  for name in ('ours', 'baseline'):
    row = report[name]
    scores = ''.join(f'{row[n]:8.2f}' for n in ('precision', 'recall', 'f1'))
    speed = f'{row["sentences_per_second"]:13.1f}{row["seconds"]:10.1f}'
    lines.append(f'{name:6}{scores}{speed}')
  difference = report['ours']['f1'] - report['baseline']['f1']
  lines.append(f'F1 {difference:+.2f}, rate x {report["ratio"]:.2f}')
  return '\n'.join(lines)


def parse(arguments: list[str]) -> argparse.Namespace:
  """Reads the command line."""
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument(
    '--data', type=pathlib.Path, default=baseline.DATA / 'ncbi-disease'
  )
  parser.add_argument(
    '--model',
    type=pathlib.Path,
    help="default: the baselines' 6-layer checkpoint",
  )
  parser.add_argument('--epochs', type=int, default=3)
  parser.add_argument('--limit', type=int, help='sentences of each split')
  parser.add_argument(
    '--rows',
    type=int,
    default=_ROWS,
    help="of our batch, to match the baseline's",
  )
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--threads', type=int, default=2, help='cores of each')
  return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
  """Runs both; returns the exit code."""
  flags = parse(arguments)
  if not baseline.PYTHON:
    print(baseline.REASON, file=sys.stderr)
    return 3
  flags.model = flags.model or baseline.checkpoint()
  baseline.keep_to_cores(flags.threads)
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    corpus = folder / 'corpus'
    corpus.mkdir()
    sentences = flags.epochs * copy_corpus(flags.data, corpus, flags.limit)
    report: dict[str, Any] = {}
    report['ours'] = figures(
      *run_ours(flags, corpus, folder / 'ours'), sentences
    )
    # Should the baseline fail, the first figures are not lost.
    print(json.dumps(report), file=sys.stderr)
    report['baseline'] = figures(
      *run_baseline(flags, corpus, folder / 'baseline.tsv'), sentences
    )
  rates = [report[n]['sentences_per_second'] for n in ('ours', 'baseline')]
  report['ratio'] = rates[0] / rates[1]
  print(table(report))
  print(json.dumps(report))
  return 0


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))

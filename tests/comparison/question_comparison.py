"""One recipe in two systems, one after the other: answers and speed.

    BIOBERT_BASELINE_PYTHON=.venv/baselines/bin/python \\
      .venv/bin/python tests/comparison/question_comparison.py \\
      [--data=FILE.json] [--model=DIR] [--epochs=3] [--limit=N] [--seeds=1] \\
      [--paired] [--mask_padding] [--threads=2]

Splits the contexts of a file in SQuAD's form in two, every other one, and
fine-tunes the baselines' 6-layer checkpoint on the first half with biobert_jax
and then with transformers on PyTorch (hf_question.py): windows of 384 pieces,
12 a batch (here 6 packed rows), peak rate 1e-4, warmup over a tenth of the
steps, decay to 0, clip 1.0, dropout 0.1. Both answers to the other half are
scored by biobert-jax score. Rates are training questions times epochs over the
seconds of the whole process. Wanted: exact match and F1 within two points; with
few questions, of the means over several --seeds, or --paired: both start from
one head, train without dropout and take the same windows at each step, so that
what chance decides is the same on both sides; --mask_padding: the baseline,
too, leaves padding out of the softmax over a window. Timings count only on an
otherwise idle machine; --limit=N keeps N contexts of each half, to see that all
runs and for nothing else.

A table, and on the last line one JSON object, go to standard output.
"""

import argparse
import json
import pathlib
import sys
import tempfile
import time
from typing import Any

import numpy as np
from etils import epath
from ml_collections import ConfigDict

# The script's own folder stands first; `tests` is beside `biobert_jax`.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from biobert_jax.data import input_pipeline
from biobert_jax.data.qa.features import END, START
from biobert_jax.training import experiment as experiments
from biobert_jax.training import plan as training_plan
from biobert_jax.training import workdir
from tests.comparison import baseline

_LEARNING_RATE = 1e-4
_WINDOWS = 12  # Of a baseline's batch (README of google-research/bert).
_ROWS = 6  # Packed, 713 windows of the half take 366 rows of 384.
_FIGURES = ('exact_match', 'f1', 'seconds')


def halve(
  source: pathlib.Path, folder: pathlib.Path, limit: int | None
) -> dict[str, int]:
  """Writes train.json and test.json.

  Args:
    source: a file in SQuAD's form.
    folder: takes both.
    limit: contexts of each at most; None for all.

  Returns:
    Questions of each.
  """
  content = json.loads(source.read_text('utf-8'))
  contexts = [p for article in content['data'] for p in article['paragraphs']]
  sizes = {}
  for name, first in (('train', 0), ('test', 1)):
    part = contexts[first::2][:limit]
    sizes[name] = sum(len(paragraph['qas']) for paragraph in part)
    half = {'version': '1.1', 'data': [{'title': '', 'paragraphs': part}]}
    (folder / f'{name}.json').write_text(json.dumps(half), 'utf-8')
  return sizes


def run_ours(
  flags: argparse.Namespace, corpus: pathlib.Path, seed: int, out: pathlib.Path
) -> pathlib.Path:
  """Trains with biobert_jax; returns its predictions."""
  keys = {
    'init_from': flags.model,
    'data.dir': corpus,
    'data.train_files': 'train.json',
    'data.test_files': 'test.json',
    'seed': seed,
    'batch_size': flags.rows,
    'optim.learning_rate': _LEARNING_RATE,
    'optim.eps': 1e-8,  # PyTorch's.
    'train.epochs': flags.epochs,
  }
  baseline.run(
    *('-m', 'biobert_jax', 'train'),
    '--config=configs/qa_squad_v1_1.py:base',
    f'--workdir={out}',
    *(f'--config.{key}={value}' for key, value in keys.items()),
    python=sys.executable,
  )
  return out / 'predictions_test.json'


def run_baseline(
  flags: argparse.Namespace, corpus: pathlib.Path, seed: int, out: pathlib.Path
) -> pathlib.Path:
  """Trains with transformers and PyTorch; returns its predictions."""
  keys = {
    'model': flags.model,
    'train': corpus / 'train.json',
    'test': corpus / 'test.json',
    'output': out,
    'seed': seed,
    'batch_size': _WINDOWS,
    'learning_rate': _LEARNING_RATE,
    'epochs': flags.epochs,
    'threads': flags.threads,
  }
  if flags.paired:
    keys['order'] = corpus / f'order_{seed}.json'
    order = order_of(corpus / f'ours_{seed}')
    keys['order'].write_text(json.dumps(order), 'utf-8')
  masked = ['--mask_padding'] if flags.mask_padding else []
  baseline.run(
    baseline.script('hf_question.py'),
    *(f'--{key}={value}' for key, value in keys.items()),
    *masked,
  )
  return out


def order_of(folder: pathlib.Path) -> list[list[dict[str, Any]]]:
  """The windows of each step that a run of ours took, as the baseline's are."""
  record = workdir.read_record(epath.Path(folder))
  experiment = experiments.from_config(ConfigDict(record['config']))
  config = experiment.config
  rows = experiment.dataset.rows(config.data.train_split)
  steps = input_pipeline.train_batches(
    rows,
    batch_size=config.batch_size,
    start_step=0,
    num_steps=training_plan.Plan.of(config, rows.num_rows).num_steps,
  )
  names = ('input_ids', 'segment_ids', 'labels', 'sequence_ids')
  return [
    [
      window(*(array[owners == number] for array in arrays))
      for *arrays, owners in zip(*(batch[n] for n in names), strict=True)
      for number in range(1, owners.max() + 1)
    ]
    for batch in steps
  ]


def window(ids: Any, segments: Any, labels: Any) -> dict[str, Any]:
  """One window; the answer is at [CLS] where it lies outside."""
  (starts,), (ends,) = np.nonzero(labels & START), np.nonzero(labels & END)
  return {
    'input_ids': ids.tolist(),
    'token_type_ids': segments.tolist(),
    'start': int(starts[0]) if len(starts) else 0,
    'end': int(ends[0]) if len(ends) else 0,
  }


def figures(
  flags: argparse.Namespace, corpus: pathlib.Path, name: str, seed: int
) -> dict[str, float]:
  """Scores (percent) and seconds of one system with one seed."""
  began = time.perf_counter()
  run_one = run_ours if name == 'ours' else run_baseline
  predictions = run_one(flags, corpus, seed, corpus / f'{name}_{seed}')
  seconds = time.perf_counter() - began
  printed = baseline.run(
    *('-m', 'biobert_jax', 'score', 'squad'),
    *(corpus / 'test.json', predictions, '--bootstrap=0'),
    python=sys.executable,
  )
  scores = json.loads(printed.splitlines()[-1])
  found = {figure: scores[figure] for figure in ('exact_match', 'f1')}
  found['seconds'] = seconds
  print(json.dumps({name: found, 'seed': seed}), file=sys.stderr)
  return found


def table(report: dict[str, Any]) -> str:
  """The report as a person reads it: means over seeds."""
  lines = [f'{"":6}{"EM":>8}{"F1":>8}{"questions/s":>13}{"seconds":>10}']
  for name in ('ours', 'baseline'):
    row = report[name]
    scores = ''.join(f'{row[n]:8.2f}' for n in ('exact_match', 'f1'))
    speed = f'{row["questions_per_second"]:13.1f}{row["seconds"]:10.1f}'
    lines.append(f'{name:6}{scores}{speed}')
  gaps = [
    report['ours'][n] - report['baseline'][n] for n in ('exact_match', 'f1')
  ]
  lines.append(
    f'EM {gaps[0]:+.2f}, F1 {gaps[1]:+.2f}, rate x {report["ratio"]:.2f}'
  )
  return '\n'.join(lines)


def parse(arguments: list[str]) -> argparse.Namespace:
  """Reads the command line."""
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument(
    '--data',
    type=pathlib.Path,
    default=baseline.DATA / 'xquad-en/xquad.en.json',
  )
  parser.add_argument(
    '--model',
    type=pathlib.Path,
    help="default: the baselines' 6-layer checkpoint",
  )
  parser.add_argument('--epochs', type=int, default=3)
  parser.add_argument('--limit', type=int, help='contexts of each half')
  parser.add_argument(
    '--rows',
    type=int,
    default=_ROWS,
    help="of our batch, to match the baseline's",
  )
  parser.add_argument('--seeds', type=int, default=1, help='runs of each')
  parser.add_argument(
    '--paired', action='store_true', help='one head, one order, no dropout'
  )
  parser.add_argument(
    '--mask_padding', action='store_true', help='no padding in its softmax'
  )
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
  report: dict[str, Any] = {}
  with tempfile.TemporaryDirectory() as name:
    corpus = pathlib.Path(name)
    if flags.paired:
      model, flags.model = flags.model, corpus / 'model'
      save = (f'--model={model}', f'--save={flags.model}')
      baseline.run(baseline.script('hf_question.py'), *save)
    questions = halve(flags.data, corpus, flags.limit)['train'] * flags.epochs
    for side in ('ours', 'baseline'):
      runs = [figures(flags, corpus, side, seed) for seed in range(flags.seeds)]
      means = {n: sum(r[n] for r in runs) / len(runs) for n in _FIGURES}
      means['questions_per_second'] = questions / means['seconds']
      report[side] = {**means, 'runs': runs}
  rates = [report[n]['questions_per_second'] for n in ('ours', 'baseline')]
  report['ratio'] = rates[0] / rates[1]
  print(table(report))
  print(json.dumps(report))
  return 0


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))

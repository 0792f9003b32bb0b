"""One recipe in two systems, fold by fold: scores of relations, and speed.

    BIOBERT_BASELINE_PYTHON=.venv/baselines/bin/python \
      .venv/bin/python tests/comparison/relation_comparison.py \
      [--workdir=runs/gad_comparison] [--data=DIR] [--folds=1,2,3] \
      [--model=DIR] [--epochs=3] [--limit=N] [--seed=0] [--threads=2]

Fine-tunes the baselines' 6-layer checkpoint on folds of GAD, with biobert_jax
and then with transformers on PyTorch (hf_relation.py): batches of 32 sentences
(here packed, 11 rows of 128 pieces; there padded to the longest), peak rate
5e-5, warmup over a tenth of the steps, decay to 0, clip 1.0, dropout 0.1. Both
are scored on the test fold by biobert-jax score. Rates are training sentences
times epochs over the seconds of the whole process: start, compilation,
training, scores and files. Seconds count only on an otherwise idle machine; the
seconds of CPU that stand beside them are nearly the same on a busy one. Wanted:
mean F1 of class 1 within 1.5 points.

A table, and on the last line one JSON object, go to standard output. What is
in --workdir is gone on with, so that a run that was stopped costs only the
fold and the system that it was at; --limit=N keeps N sentences of each split,
to see that all runs and for nothing else.
"""

import argparse
import json
import pathlib
import resource
import shutil
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

# The script's own folder stands first; `tests` is beside `biobert_jax`.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from biobert_jax.data.relation import corpus as relation_corpus
from biobert_jax.data.relation.pair_words import Placeholders
from tests.comparison import baseline

_LEARNING_RATE = 5e-5
_SENTENCES = 32  # Of a baseline's batch.
_ROWS = 11  # Packed, 4,796 sentences of GAD take 1,639 rows of 128.
_SCORES = ('precision', 'recall', 'f1')
_GAD = Placeholders.from_types('GENE', 'DISEASE')

Run = Callable[[argparse.Namespace, pathlib.Path, pathlib.Path], pathlib.Path]


def copy_fold(
  source: pathlib.Path, target: pathlib.Path, limit: int | None
) -> int:
  """Writes train and test of a fold, or their first sentences.

  Args:
    source: the fold.
    target: a folder, which is made.
    limit: sentences of a split at most; None for all.

  Returns:
    Training sentences.
  """
  target.mkdir(parents=True, exist_ok=True)
  form = relation_corpus.RelationRules(_GAD, ('0', '1'))
  kept = {
    split: relation_corpus.read_split(source, split, Counter(), form)[:limit]
    for split in ('train', 'test')
  }
  rows = [f'{example.text}\t{example.label}\n' for example in kept['train']]
  (target / 'train.tsv').write_text(''.join(rows), 'utf-8')
  rows = ['index\tsentence\tlabel\n']
  rows += [f'{e.index}\t{e.text}\t{e.label}\n' for e in kept['test']]
  (target / 'test.tsv').write_text(''.join(rows), 'utf-8')
  return len(kept['train'])


def run_ours(
  flags: argparse.Namespace, corpus: pathlib.Path, folder: pathlib.Path
) -> pathlib.Path:
  """Trains with biobert_jax: the file of its test probabilities."""
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
  baseline.run(
    *('-m', 'biobert_jax', 'train', '--config=configs/re_gad.py:base'),
    f'--workdir={folder}',
    *(f'--config.{key}={value}' for key, value in keys.items()),
    python=sys.executable,
  )
  return folder / 'test_results.tsv'


def run_baseline(
  flags: argparse.Namespace, corpus: pathlib.Path, folder: pathlib.Path
) -> pathlib.Path:
  """Trains with transformers and PyTorch: the same file of its own."""
  keys = {
    'model': flags.model,
    'data': corpus,
    'output': folder / 'test_results.tsv',
    'seed': flags.seed,
    'batch_size': _SENTENCES,
    'learning_rate': _LEARNING_RATE,
    'epochs': flags.epochs,
    'threads': flags.threads,
  }
  baseline.run(
    baseline.script('hf_relation.py'),
    *(f'--{key}={value}' for key, value in keys.items()),
  )
  return folder / 'test_results.tsv'


def measure(
  run: Run,
  flags: argparse.Namespace,
  corpus: pathlib.Path,
  folder: pathlib.Path,
  sentences: int,
) -> dict[str, float]:
  """What one system does with one fold; from its file, if that is there.

  Args:
    run: trains and predicts.
    flags: those of `parse`.
    corpus: the fold.
    folder: made anew: a half-done training is begun again, to time it whole.
    sentences: that it is trained on, all epochs together.

  Returns:
    `precision`, `recall` and `f1` (percent), `sentences_per_second`, and
    `seconds` and `cpu_seconds` of the process.
  """
  done = folder.with_suffix('.json')
  if done.exists():
    figures: dict[str, float] = json.loads(done.read_text('utf-8'))
    return figures
  shutil.rmtree(folder, ignore_errors=True)
  folder.mkdir(parents=True)
  began, spent = time.perf_counter(), cpu_seconds()
  predictions = run(flags, corpus, folder)
  seconds, spent = time.perf_counter() - began, cpu_seconds() - spent
  scores = baseline.run(
    *('-m', 'biobert_jax', 'score', 'relation'),
    *(corpus / 'test.tsv', predictions, '--task=gad', '--bootstrap=0'),
    python=sys.executable,
  )
  report = json.loads(scores.splitlines()[-1])
  figures = {
    **{name: report[name] for name in _SCORES},
    'sentences_per_second': sentences / seconds,
    'seconds': seconds,
    'cpu_seconds': spent,
  }
  done.write_text(json.dumps(figures), 'utf-8')
  return figures


def cpu_seconds() -> float:
  """Of all children that have ended, on all cores together."""
  usage = resource.getrusage(resource.RUSAGE_CHILDREN)
  return usage.ru_utime + usage.ru_stime


def summary(folds: dict[str, dict[str, Any]]) -> dict[str, Any]:
  """Means over the folds, and what is between the two systems.

  Args:
    folds: name -> 'ours', 'baseline' -> figures.

  Returns:
    `ours` and `baseline` with the mean of each figure, `f1_difference` in
    points, `ratio` of the rates, `cpu_ratio` of the baseline's CPU seconds to
    ours.
  """
  means: dict[str, Any] = {}
  for name in ('ours', 'baseline'):
    rows = [fold[name] for fold in folds.values()]
    means[name] = {
      figure: statistics.fmean(row[figure] for row in rows)
      for figure in rows[0]
    }
  ours, other = means['ours'], means['baseline']
  return means | {
    'f1_difference': ours['f1'] - other['f1'],
    'ratio': other['seconds'] / ours['seconds'],
    'cpu_ratio': other['cpu_seconds'] / ours['cpu_seconds'],
  }


def table(report: dict[str, Any]) -> str:
  """The report as a person reads it."""
  lines = [
    f'{"":14}{"P":>8}{"R":>8}{"F1":>8}{"sentences/s":>13}{"seconds":>9}'
    f'{"CPU s":>9}'
  ]
  parts = {f'fold {name}': fold for name, fold in report['folds'].items()}
  for title, part in (parts | {'mean': report}).items():
    for name in ('ours', 'baseline'):
      row = part[name]
      scores = ''.join(f'{row[figure]:8.2f}' for figure in _SCORES)
      speed = f'{row["sentences_per_second"]:13.1f}{row["seconds"]:9.0f}'
      left = f'{title} {name}'
      lines.append(f'{left:14}{scores}{speed}{row["cpu_seconds"]:9.0f}')
  lines.append(
    f'F1 {report["f1_difference"]:+.2f}, rate x {report["ratio"]:.2f}, '
    f'per second of CPU x {report["cpu_ratio"]:.2f}'
  )
  return '\n'.join(lines)


def parse(arguments: list[str]) -> argparse.Namespace:
  """Reads the command line."""
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  add = parser.add_argument
  add('--workdir', type=pathlib.Path, help='default: runs/gad_comparison')
  add('--data', type=pathlib.Path, default=baseline.DATA / 'gad')
  add('--folds', default='1,2,3', help='folders of --data')
  add('--model', help="default: the baselines' 6-layer checkpoint")
  add('--epochs', type=int, default=3)
  add('--limit', type=int, help='sentences of each split')
  add('--rows', type=int, default=_ROWS, help="to match the baseline's batch")
  add('--seed', type=int, default=0)
  add('--threads', type=int, default=2, help='cores of each')
  return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
  """Runs both; returns the exit code."""
  flags = parse(arguments)
  if not baseline.PYTHON:
    print(baseline.REASON, file=sys.stderr)
    return 3
  flags.model = flags.model or str(baseline.checkpoint())
  root = flags.workdir or baseline.REPOSITORY / 'runs' / 'gad_comparison'
  load = baseline.keep_to_cores(flags.threads)
  folds: dict[str, dict[str, Any]] = {}
  for name in flags.folds.split(','):
    folder = root.absolute() / name
    sentences = copy_fold(flags.data / name, folder / 'corpus', flags.limit)
    sentences *= flags.epochs
    folds[name] = {}
    for system, run in (('ours', run_ours), ('baseline', run_baseline)):
      figures = measure(
        run, flags, folder / 'corpus', folder / system, sentences
      )
      print(f'fold {name}, {system}: {figures}', file=sys.stderr)
      folds[name][system] = figures
  report = {'folds': folds, 'load_before': load, **summary(folds)}
  print(table(report))
  print(json.dumps(report))
  return 0


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))

"""Does more pre-training help? Entity scores before and after, over seeds.

    BIOBERT_BASELINE_PYTHON=.venv/baselines/bin/python \
      .venv/bin/python tests/comparison/continued_pretraining.py \
      [--workdir=runs/continued] [--model=DIR] [--steps=600] [--seeds=3] \
      [--epochs=1] [--limit=N] [--threads=2]

What Lee et al. 2019 did with BERT, on the scale of a desk: goes on with the
pre-training of the baselines' 6-layer checkpoint (all-MiniLM, uncased) on
abstracts of PMC, cut up with its own vocabulary, then fine-tunes the checkpoint
as it was and as it became on NCBI-disease, both with the same seeds. That
checkpoint was made to compare sentences and has no heads of pre-training, so
these start new, and a pass over 1.1 million pieces is little beside BioBERT's
18 billion words: a gain is not promised. No article of NCBI-disease is among
the abstracts.

A table, and on the last line one JSON object, go to standard output: test F1 of
each seed, mean and standard deviation before and after, and the mean and
standard error of their difference, seed by seed. What is in --workdir is gone
on with, so that a run that was stopped costs only its last part. The whole run
takes about 45 minutes on 2 cores; --limit=N keeps N sentences of each split of
NCBI-disease, to see that all parts run and for nothing else.
"""

import argparse
import json
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

# The script's own folder stands first; `tests` is beside `biobert_jax`.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from biobert_jax.checkpoints import pretrained
from tests.comparison import baseline
from tests.comparison.ner_finetune_comparison import copy_corpus

_LENGTH = 128  # Pieces of a row, in both.
_PRETRAINING_ROWS = 16  # Of a batch.
_NER_ROWS = 9  # About 32 sentences.
_LEARNING_RATE = 1e-4  # The peak, in both.
_WARMUP = 0.1  # Of the steps.
_HELD_OUT = 0.02  # Of the articles.


def train(config: str, workdir: pathlib.Path, keys: dict[str, Any]) -> float:
  """Runs our programme, or what is left of it: seconds."""
  began = time.perf_counter()
  baseline.run(
    *('-m', 'biobert_jax', 'train', f'--config={config}'),
    f'--workdir={workdir}',
    *(f'--config.{key}={value}' for key, value in keys.items()),
    python=sys.executable,
  )
  return time.perf_counter() - began


def prepare_corpus(
  model: pretrained.Pretrained, text: str, folder: pathlib.Path
) -> None:
  """Makes shards of a file with the vocabulary of a model."""
  if (folder / 'manifest.json').exists():
    return
  with tempfile.TemporaryDirectory() as name:
    model.tokenizer.save(pathlib.Path(name))
    baseline.run(
      *('-m', 'biobert_jax', 'prepare-corpus', '--input', text),
      *('--output', folder, '--held_out', _HELD_OUT),
      *('--vocab', pathlib.Path(name) / 'vocab.txt', '--do_lower_case'),
      str(model.tokenizer.do_lower_case).lower(),
      python=sys.executable,
    )


def pretrain(flags: argparse.Namespace) -> dict[str, Any]:
  """Goes on with the pre-training in `workdir/pretraining`.

  Returns:
    The held-out figures, `seconds`, and the heads that the model had before
    and has now.
  """
  model = pretrained.load_pretrained(flags.model)
  corpus, workdir = flags.workdir / 'corpus', flags.workdir / 'pretraining'
  prepare_corpus(model, flags.text, corpus)
  keys = {
    'init_from': flags.model,
    'data.dir': corpus,
    'data.max_seq_length': _LENGTH,
    'data.eval_rows': 128,
    'batch_size': _PRETRAINING_ROWS,
    'optim.learning_rate': _LEARNING_RATE,
    'optim.warmup_fraction': _WARMUP,
    'train.steps': flags.steps,
    'train.evaluations': min(6, flags.steps),
    'train.eval_batch_size': _PRETRAINING_ROWS,
    'train.checkpoint_every_steps': 200,
  }
  config = 'configs/pretrain_pubmed_packed.py:tiny'
  seconds = train(config, workdir, keys)
  results = json.loads((workdir / 'results.json').read_text('utf-8'))
  head = pretrained.load_pretrained(workdir).head
  heads = {'head_before': model.head, 'head_after': head}
  return results['results']['validation'] | heads | {'seconds': seconds}


def fine_tune(
  flags: argparse.Namespace, name: str, model: pathlib.Path, seed: int
) -> tuple[float, float]:
  """Trains on NCBI-disease: (test F1 in percent, seconds)."""
  workdir = flags.workdir / f'{name}_{seed}'
  keys = {
    'init_from': model,
    'data.dir': flags.workdir / 'ncbi',
    'data.max_seq_length': _LENGTH,
    'seed': seed,
    'batch_size': _NER_ROWS,
    'optim.learning_rate': _LEARNING_RATE,
    'optim.warmup_fraction': _WARMUP,
    'train.epochs': flags.epochs,
    'train.evaluations': 1,
  }
  seconds = train('configs/ner_ncbi_disease.py:base', workdir, keys)
  results = json.loads((workdir / 'results.json').read_text('utf-8'))
  f1 = results['results']['test']['f1']
  print(f'{name}, seed {seed}: F1 {f1:.2f}', file=sys.stderr)
  return f1, seconds


def spread(values: Sequence[float]) -> float:
  """Standard deviation of a sample; 0 of one."""
  return statistics.stdev(values) if len(values) > 1 else 0.0


def summary(scores: dict[str, list[float]]) -> dict[str, Any]:
  """Mean and spread of both, and of their difference seed by seed."""
  report: dict[str, Any] = {
    name: {
      'f1': values,
      'mean': statistics.fmean(values),
      'deviation': spread(values),
    }
    for name, values in scores.items()
  }
  pairs = zip(scores['before'], scores['after'], strict=True)
  gains = [after - before for before, after in pairs]
  report['gain'] = statistics.fmean(gains)
  report['gain_error'] = spread(gains) / len(gains) ** 0.5
  return report


def table(report: dict[str, Any]) -> str:
  """The report as a person reads it."""
  made = report['pretraining']
  lines = [
    f'the checkpoint has the head {made["head_before"]!r}: those of '
    'pre-training started new'
    if made['head_before'] == 'encoder'
    else f'pre-training went on with the head {made["head_before"]!r}',
    f'after it, held-out loss {made["masked_lm_loss"]:.3f}, masked tokens '
    f'right {made["masked_lm_accuracy"]:.1f} %',
    f'{"":8}{"mean F1":>9}{"deviation":>11}  each seed',
  ]
  for name in ('before', 'after'):
    row = report[name]
    each = ' '.join(f'{value:.2f}' for value in row['f1'])
    lines.append(f'{name:8}{row["mean"]:9.2f}{row["deviation"]:11.2f}  {each}')
  lines.append(f'gain {report["gain"]:+.2f} ± {report["gain_error"]:.2f}')
  return '\n'.join(lines)


def parse(arguments: list[str]) -> argparse.Namespace:
  """Reads the command line."""
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  add = parser.add_argument
  add('--workdir', type=pathlib.Path, help='default: runs/continued')
  add('--model', help="default: the baselines' 6-layer checkpoint")
  add(
    '--text',
    default=str(baseline.DATA / 'pmc-oa-ccby' / 'abstracts.jsonl'),
    help='what biobert-jax prepare-corpus reads',
  )
  add('--data', type=pathlib.Path, default=baseline.DATA / 'ncbi-disease')
  add('--steps', type=int, default=600, help='of pre-training')
  add('--seeds', type=int, default=3, help='fine-tunings of each')
  add('--epochs', type=float, default=1.0, help='of fine-tuning')
  add('--limit', type=int, help='sentences of each split of NCBI-disease')
  add('--threads', type=int, default=2, help='cores')
  return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
  """Trains and scores; returns the exit code."""
  flags = parse(arguments)
  if not (flags.model or baseline.PYTHON):
    print(f'{baseline.REASON}; or give --model', file=sys.stderr)
    return 3
  flags.model = flags.model or str(baseline.checkpoint())
  flags.workdir = flags.workdir or baseline.REPOSITORY / 'runs' / 'continued'
  flags.workdir = flags.workdir.absolute()
  baseline.keep_to_cores(flags.threads)
  ncbi = flags.workdir / 'ncbi'
  ncbi.mkdir(parents=True, exist_ok=True)
  copy_corpus(flags.data, ncbi, flags.limit)
  report: dict[str, Any] = {'pretraining': pretrain(flags)}
  models = {
    'before': pathlib.Path(flags.model),
    'after': flags.workdir / 'pretraining',
  }
  scores: dict[str, list[float]] = {name: [] for name in models}
  seconds = []
  for seed in range(flags.seeds):
    for name, model in models.items():
      f1, spent = fine_tune(flags, name, model, seed)
      scores[name].append(f1)
      seconds.append(spent)
  report |= summary(scores) | {
    'steps': flags.steps,
    'epochs': flags.epochs,
    'fine_tuning_seconds': statistics.fmean(seconds),
  }
  print(table(report))
  print(json.dumps(report))
  return 0


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))

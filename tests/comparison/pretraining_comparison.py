"""One pre-training in two systems, one after the other: loss and speed.

    BIOBERT_BASELINE_PYTHON=.venv/baselines/bin/python \
      .venv/bin/python tests/comparison/pretraining_comparison.py \
      [--data=FILE] [--steps=2000] [--png=FILE] [--seed=0] [--threads=2]

Trains a small BERT from the same random weights on the same abstracts, with
`python -m biobert_jax train` and then with transformers on PyTorch
(hf_pretrain.py). The baseline is given the rows of our every step, packed and
masked as our step sees them, so all that differs are the systems and dropout's
random bits. The recipe is BERT's: AdamW, warmup over a tenth of the steps,
decay to 0, clip 1.0, dropout 0.1; the peak rate is high, for the model is small
and starts from nothing. A twentieth of the articles is held out, and its rows,
with the same masks too, are scored on the way.

Rates are useful pieces (no padding) over the seconds of training steps alone,
without compilation, evaluations and checkpoints; ours makes its rows and masks
in that time, the baseline is handed them. Packed rows and masked places alone
are what the baseline is given to decode, neither of which it does by itself: it
is the systems that are compared, not the recipes. Wanted: a final held-out loss
of masked tokens within 2 % of the baseline's. The whole run takes about 15
minutes on 2 cores, and its timings count only on an otherwise idle machine; on
a busy one PyTorch's threads wait for each other, which --threads=1 spares it.

A table, and on the last line one JSON object, go to standard output, both
curves to --png.
"""

import argparse
import json
import pathlib
import resource
import sys
import tempfile
import time
from collections.abc import Iterable
from typing import Any

# The script's own folder stands first; `tests` is beside `biobert_jax`.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

import numpy as np
from etils import epath

from tests.comparison import baseline

_CONFIG = 'configs/pretrain_pubmed_packed.py:tiny'
_HELD_OUT = 0.05  # Of the articles.
_HEAD_DIM = 32  # Hidden units of an attention head.
_LOSSES = ('masked_lm_loss', 'next_sentence_loss')
# Seen by nobody but the host.
_NOT_SEEN = ('row_ids',)

Figures = dict[str, float]


def prepare_corpus(flags: argparse.Namespace, folder: pathlib.Path) -> None:
  """Makes `vocabulary/`, and shards of it in `corpus/`."""
  casing = ('--do_lower_case', 'false')
  baseline.run(
    *('-m', 'biobert_jax', 'build-vocabulary'),
    *('--input', flags.data, *casing),
    *('--output', folder / 'vocabulary', '--size', flags.vocabulary),
    python=sys.executable,
  )
  baseline.run(
    *('-m', 'biobert_jax', 'prepare-corpus', '--input', flags.data, *casing),
    *('--output', folder / 'corpus', '--held_out', _HELD_OUT),
    *('--vocab', folder / 'vocabulary' / 'vocab.txt'),
    python=sys.executable,
  )


def write_model(flags: argparse.Namespace, folder: pathlib.Path) -> None:
  """Draws first weights, as a Hugging Face folder that both read."""
  # JAX takes the cores that the process may use by the time it is imported.
  import jax

  from biobert_jax.checkpoints import huggingface
  from biobert_jax.data.pretraining.manifest import read_tokenizer
  from biobert_jax.models.config import BertConfig
  from biobert_jax.models.param_tree import to_flat
  from biobert_jax.tasks import pretraining

  tokenizer = read_tokenizer(folder / 'corpus')
  config = BertConfig(
    vocab_size=tokenizer.vocab_size,
    hidden_size=flags.hidden,
    num_hidden_layers=flags.layers,
    num_attention_heads=max(1, flags.hidden // _HEAD_DIM),
    intermediate_size=4 * flags.hidden,
    max_position_embeddings=flags.length,
    hidden_dropout_prob=flags.dropout,
    attention_probs_dropout_prob=flags.dropout,
    initializer_range=flags.initializer_range,
  )
  task = pretraining.make_task(config, None, next_sentence=True)
  params = jax.device_get(task.init(jax.random.key(flags.seed)))
  model = folder / 'model'
  tokenizer.save(model)
  huggingface.write(model, to_flat(params), config, 'pretraining', ())


def timed(*arguments: object, python: str = '') -> dict[str, float]:
  """Seconds of a whole process, and those that it spent on all cores."""

  def used() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime

  began, before = time.perf_counter(), used()
  baseline.run(*arguments, python=python)
  return {
    'seconds': time.perf_counter() - began,
    'core_seconds': used() - before,
  }


def run_ours(
  flags: argparse.Namespace, folder: pathlib.Path
) -> dict[str, float]:
  """Trains with biobert_jax in `ours/`: seconds of the process."""
  keys = {
    'init_from': folder / 'model',
    'data.dir': folder / 'corpus',
    'data.max_seq_length': flags.length,
    'data.eval_rows': flags.held_out_rows,
    'masking.max_predictions': max(1, round(flags.length * 0.16)),
    'seed': flags.seed,
    'batch_size': flags.rows,
    'optim.learning_rate': flags.learning_rate,
    'optim.warmup_fraction': flags.warmup,
    'optim.weight_decay': flags.weight_decay,
    'train.steps': flags.steps,
    'train.evaluations': flags.evaluations,
    'train.eval_batch_size': flags.rows,
    'train.log_every_steps': max(1, flags.steps // flags.evaluations),
    'train.checkpoint_every_steps': flags.steps,
  }
  return timed(
    *('-m', 'biobert_jax', 'train', f'--config={_CONFIG}'),
    f'--workdir={folder / "ours"}',
    *(f'--config.{key}={value}' for key, value in keys.items()),
    python=sys.executable,
  )


def stacked(batches: Iterable[dict[str, Any]]) -> dict[str, np.ndarray]:
  """Batches as arrays [steps, B, ...]."""
  lists: dict[str, list[np.ndarray]] = {}
  for batch in batches:
    for name, array in batch.items():
      if name not in _NOT_SEEN:
        lists.setdefault(name, []).append(np.asarray(array))
  return {name: np.stack(arrays) for name, arrays in lists.items()}


def write_rows(
  flags: argparse.Namespace, folder: pathlib.Path
) -> dict[str, Any]:
  """Writes what the baseline is given: the rows of our every step, the recipe.

  Args:
    flags: the command line's.
    folder: where `ours/` is; the config that it was trained by decides.

  Returns:
    useful pieces of all training steps, the share of their positions, and
    held-out pieces that are predicted.
  """
  import jax

  from biobert_jax.tasks import evaluator
  from biobert_jax.training import plan as training_plan
  from biobert_jax.training import workdir

  opened = workdir.from_workdir(
    epath.Path(folder / 'ours'), {}, ('train', 'validation')
  )
  config = opened.config
  key = jax.random.key(config.seed, impl=config.compute.rng)
  rows = opened.dataset.rows('train')

  @jax.jit
  def masked(batch: Any, key: jax.Array) -> Any:
    keys = evaluator.prepare_keys(key, batch['row_ids'])
    return opened.task.prepare(batch, keys)

  def train_batch(step: int) -> Any:
    batch = rows.train_batch(step, config.batch_size)
    return masked(batch, jax.random.fold_in(key, step))

  training = stacked(train_batch(step) for step in range(config.train.steps))
  # As evaluate.Evaluator does: the same masks at every evaluation.
  held_out = stacked(
    masked(batch, jax.random.key(0))
    for batch in opened.dataset.rows('validation').eval_batches(
      config.train.eval_batch_size
    )
  )
  np.savez(folder / 'train.npz', **training)
  np.savez(folder / 'held_out.npz', **held_out)
  plan = training_plan.Plan.of(config, rows.num_rows)
  names = ('learning_rate', 'b1', 'b2', 'eps', 'weight_decay', 'clip_norm')
  recipe = {name: config.optim[name] for name in names} | {
    'num_steps': plan.num_steps,
    'warmup_steps': plan.warmup_steps,
    'evaluate_after': [
      step
      for step in range(1, plan.num_steps + 1)
      if plan.evaluates_after(step)
    ],
    'seed': config.seed,
    'threads': flags.threads,
  }
  (folder / 'recipe.json').write_text(json.dumps(recipe), 'utf-8')
  real = training['sequence_ids'] > 0
  return {
    'useful_pieces': int(real.sum()),
    'fill': float(real.mean()),
    'held_out_count': int((held_out['masked_ids'] >= 0).sum()),
  }


def read_ours(folder: pathlib.Path) -> dict[str, Any]:
  """What our run wrote down, as hf_pretrain.py does."""
  from biobert_jax.training.monitoring import metric_writer

  train: list[Figures] = []
  held_out: list[Figures] = []
  spent, before = 0.0, 0
  for record in metric_writer.read_metrics(epath.Path(folder / 'ours')):
    step = record['step']
    split = 'train' if 'train/loss' in record else 'validation'
    names = (*_LOSSES, 'grad_norm') if split == 'train' else _LOSSES
    kept = {name: record[f'{split}/{name}'] for name in names}
    (train if split == 'train' else held_out).append({'step': step, **kept})
    if split == 'train':
      spent += (step - before) / record['train/steps_per_second']
      before = step
  return {'train': train, 'held_out': held_out, 'seconds_of_steps': spent}


def run_baseline(folder: pathlib.Path) -> dict[str, Any]:
  """Trains with transformers and PyTorch: its figures."""
  spent = timed(baseline.script('hf_pretrain.py'), folder)
  report = json.loads((folder / 'theirs.json').read_text('utf-8'))
  return report | spent


def draw(report: dict[str, Any], path: pathlib.Path) -> None:
  """Both curves of the held-out loss, and how far they lie apart."""
  import matplotlib as mpl

  mpl.use('Agg')
  from matplotlib import pyplot

  curves = {
    name: [
      np.asarray([record[field] for record in report[name]['held_out']])
      for field in ('step', 'masked_lm_loss')
    ]
    for name in ('ours', 'baseline')
  }
  figure, (losses, apart) = pyplot.subplots(1, 2, figsize=(9, 3.6))
  for (name, curve), style in zip(curves.items(), ('-', '--'), strict=True):
    losses.plot(*curve, style, marker='o', ms=3, label=name)
  losses.set_title('held-out loss of masked tokens (nats)')
  losses.legend()
  steps, ours = curves['ours']
  apart.plot(steps, 100 * (ours / curves['baseline'][1] - 1), marker='o', ms=3)
  apart.axhspan(-2, 2, alpha=0.1)
  apart.set_title('ours against the baseline (%)')
  for axis in (losses, apart):
    axis.set_xlabel('step')
    axis.grid(alpha=0.3)
  figure.tight_layout()
  path.parent.mkdir(parents=True, exist_ok=True)
  figure.savefig(path, dpi=110)
  pyplot.close(figure)


def compare(flags: argparse.Namespace, folder: pathlib.Path) -> dict[str, Any]:
  """Runs both: the report."""
  prepare_corpus(flags, folder)
  write_model(flags, folder)
  spent = run_ours(flags, folder)
  report: dict[str, Any] = {
    'ours': read_ours(folder) | spent,
    'steps': flags.steps,
    **write_rows(flags, folder),
  }
  # Should the baseline fail, the first figures are not lost.
  print(json.dumps(report), file=sys.stderr)
  report['baseline'] = run_baseline(folder)
  add_rates(report)
  return report


def add_rates(report: dict[str, Any]) -> None:
  """Adds last losses, rates, and how both compare."""
  for name in ('ours', 'baseline'):
    row = report[name]
    rate = report['useful_pieces'] / row['seconds_of_steps']
    row['useful_pieces_per_second'] = rate
    for loss in _LOSSES:
      row[loss] = row['held_out'][-1][loss]
  ours, theirs = report['ours'], report['baseline']
  rates = [row['useful_pieces_per_second'] for row in (ours, theirs)]
  report['ratio'] = rates[0] / rates[1]
  losses = [row['masked_lm_loss'] for row in (ours, theirs)]
  report['difference_percent'] = 100 * (losses[0] / losses[1] - 1)


def table(report: dict[str, Any]) -> str:
  """The report as a person reads it."""
  titles = (
    f'{"tokens":>10}{"pairs":>8}{"tokens/s":>11}{"seconds":>10}{"cores":>10}'
  )
  lines = [f'{"":6}{titles}']
  for name in ('ours', 'baseline'):
    row = report[name]
    losses = f'{row[_LOSSES[0]]:10.4f}{row[_LOSSES[1]]:8.4f}'
    speed = f'{row["useful_pieces_per_second"]:11.0f}'
    spent = f'{row["seconds"]:10.1f}{row["core_seconds"]:10.1f}'
    lines.append(f'{name:6}{losses}{speed}{spent}')
  lines.append(
    f'held-out loss of masked tokens {report["difference_percent"]:+.2f} %, '
    f'rate x {report["ratio"]:.2f}'
  )
  return '\n'.join(lines)


def parse(arguments: list[str]) -> argparse.Namespace:
  """Reads the command line."""
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  add = parser.add_argument
  add(
    '--data',
    type=pathlib.Path,
    default=baseline.DATA / 'pmc-oa-ccby' / 'abstracts.jsonl',
    help='what biobert-jax prepare-corpus reads',
  )
  add(
    '--png', type=pathlib.Path, help='default: runs/pretraining_baselines.png'
  )
  add('--vocabulary', type=int, default=4000, help='pieces')
  add('--layers', type=int, default=2)
  add('--hidden', type=int, default=128, help='a multiple of 32')
  add('--length', type=int, default=128, help='pieces of a row')
  add('--rows', type=int, default=16, help='of a batch')
  add('--steps', type=int, default=2000)
  add('--evaluations', type=int, default=20)
  add('--held_out_rows', type=int, default=256, help='at most')
  add('--learning_rate', type=float, default=2e-3)
  add('--warmup', type=float, default=0.1, help='share of the steps')
  add('--weight_decay', type=float, default=0.01)
  add('--dropout', type=float, default=0.1)
  add('--initializer_range', type=float, default=0.02)
  add('--seed', type=int, default=0)
  add('--threads', type=int, default=2, help='cores of each')
  return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
  """Runs both; returns the exit code."""
  flags = parse(arguments)
  if not baseline.PYTHON:
    print(baseline.REASON, file=sys.stderr)
    return 3
  load = baseline.keep_to_cores(flags.threads)
  with tempfile.TemporaryDirectory() as name:
    report = compare(flags, pathlib.Path(name))
  path = flags.png or baseline.REPOSITORY / 'runs' / 'pretraining_baselines.png'
  draw(report, path)
  print(table(report))
  for name in ('ours', 'baseline'):  # Only what the last line has room for.
    report[name].pop('train')
  print(json.dumps({**report, 'load_before': load, 'png': str(path)}))
  return 0


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))

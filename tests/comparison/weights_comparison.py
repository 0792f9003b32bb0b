"""Weights in and out, beside transformers: seconds and peak memory.

    BIOBERT_BASELINE_PYTHON=.venv/baselines/bin/python \
      .venv/bin/python tests/comparison/weights_comparison.py \
      [--size=base] [--rows=NAME,...] [--folder=DIR] [--threads=2]

A BERT of random numbers with both pre-training heads is drawn and saved by
transformers (hf_weights.py); then every row runs in a process of its own, on
files that were just written and so lie in memory. Seconds are without imports.
Ours of an export hold all that `biobert-jax export` does after opening
the model: writing, checksums, reading it again and comparing; theirs write
only. Peak memory is that of the process, imports included, over the size of
the float32 weights; wanted are at most 3. --size is tiny (to see that all
runs), base (12 x 768) or large (24 x 1024). It needs 6 times the weights in
DIR, which is emptied again.

A table, and on the last line one JSON object, go to standard output.
"""

import argparse
import json
import os
import pathlib
import shutil
import sys
import tempfile
import time
from typing import Any

# The script's own folder stands first; `tests` is beside `biobert_jax`.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from tests.comparison import baseline

Figures = dict[str, float]

READ = ('safetensors', 'zip', 'legacy', 'tensorflow')
WRITTEN = ('import', 'huggingface', 'tensorflow', 'stablehlo', 'onnx')
BASELINES = ('load safetensors', 'load zip', 'save')
# TensorFlow's export first: it is what is read in that form.
ROWS = (
  'write tensorflow',
  *(f'read {form}' for form in READ),
  *(f'write {form}' for form in WRITTEN if form != 'tensorflow'),
  *(f'baseline {action}' for action in BASELINES),
)


def child(action: str, source: str, output: str) -> Figures:
  """What one process of ours does: 'read', or 'write' in a form.

  Returns:
    `seconds` without imports, and MiB of memory: `idle`, before the work,
    and `peak`.
  """
  from biobert_jax.checkpoints import export, import_weights, pretrained
  from biobert_jax.models import hf_signature  # noqa: F401

  if action == 'tensorflow' or 'tensorflow' in source:
    import tensorflow  # noqa: F401
  if action == 'onnx':
    import onnxruntime  # noqa: F401
  from tests.comparison.memory import memory

  idle = memory('VmRSS')
  began = time.perf_counter()
  model = pretrained.load_pretrained(source)
  if action != 'read':
    began = time.perf_counter()
    if action == 'import':
      import_weights.import_weights(model, output)
    else:
      export.export(model, action, output)
  seconds = time.perf_counter() - began
  return {'seconds': seconds, 'idle': idle, 'peak': memory('VmHWM')}


def draw(size: str, folder: pathlib.Path) -> float:
  """The baselines' random model in every form; returns MiB of its weights."""
  from biobert_jax.checkpoints import huggingface
  from biobert_jax.io.json_files import write_json
  from biobert_jax.models.config import BertConfig
  from biobert_jax.text.wordpiece import WordPieceTokenizer

  bert = getattr(BertConfig, size)()
  sizes = folder / 'sizes.json'
  write_json(sizes, huggingface.config_json(bert, 'pretraining', ()))
  baseline.run(baseline.script('hf_weights.py'), 'draw', sizes, folder)
  specials = ('[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]')
  words = (f'W{i}' for i in range(bert.vocab_size - len(specials)))
  tokenizer = WordPieceTokenizer((*specials, *words), do_lower_case=False)
  for form in READ[:3]:
    tokenizer.save(folder / form)
  return (folder / 'safetensors' / 'model.safetensors').stat().st_size / 2**20


def measure(row: str, folder: pathlib.Path) -> Figures:
  """One row, in a process of its own; what it wrote goes, or is read next."""
  who, _, what = row.partition(' ')
  output = folder / 'written'
  source = folder / (what if who == 'read' else 'safetensors')
  if who == 'baseline':
    action, _, form = what.partition(' ')
    source = folder / (form or 'safetensors')
    arguments = [baseline.script('hf_weights.py'), action, source]
    arguments += [output] if action == 'save' else []
    printed = baseline.run(*arguments)
  else:
    action = 'read' if who == 'read' else what
    if row == 'write tensorflow':
      output = folder / 'tensorflow'
    printed = baseline.run(
      *(__file__, f'--child={action}', f'--source={source}'),
      f'--output={output}',
      python=sys.executable,
    )
  shutil.rmtree(folder / 'written', ignore_errors=True)
  figures: Figures = json.loads(printed.splitlines()[-1])
  return figures


def table(report: dict[str, Any]) -> str:
  """The report as a person reads it."""
  lines = [
    f'weights: {report["weights"]:.0f} MiB',
    f'{"":22}{"seconds":>9}{"idle MiB":>10}{"peak MiB":>10}{"peak/file":>11}',
  ]
  lines += [
    f'{name:22}{row["seconds"]:9.2f}{row["idle"]:10.0f}{row["peak"]:10.0f}'
    f'{row["peak"] / report["weights"]:11.2f}'
    for name, row in report['rows'].items()
  ]
  return '\n'.join(lines)


def parse(arguments: list[str]) -> argparse.Namespace:
  """Reads the command line."""
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument(
    '--size', default='base', choices=('tiny', 'base', 'large')
  )
  parser.add_argument('--rows', default=','.join(ROWS), help='which, in order')
  parser.add_argument('--folder', help='where there is room')
  parser.add_argument('--threads', type=int, default=2, help='cores of each')
  for name in ('child', 'source', 'output'):  # Of a process for one row.
    parser.add_argument(f'--{name}', default='', help=argparse.SUPPRESS)
  return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
  """Measures row after row; returns the exit code."""
  flags = parse(arguments)
  if flags.child:
    print(json.dumps(child(flags.child, flags.source, flags.output)))
    return 0
  if not baseline.PYTHON:
    print(baseline.REASON, file=sys.stderr)
    return 3
  rows = flags.rows.split(',')
  if unknown := [row for row in rows if row not in ROWS]:
    print(f'--rows: no {unknown}; choose from {ROWS}', file=sys.stderr)
    return 3
  # As biobert_jax does before it imports TensorFlow.
  os.environ |= {'TF_CPP_MIN_LOG_LEVEL': '2', 'TF_ENABLE_ONEDNN_OPTS': '0'}
  load = baseline.keep_to_cores(flags.threads)
  with tempfile.TemporaryDirectory(dir=flags.folder) as name:
    folder = pathlib.Path(name)
    report: dict[str, Any] = {'size': flags.size, 'load': load}
    report['weights'] = draw(flags.size, folder)
    report['rows'] = {}
    for row in rows:
      report['rows'][row] = measure(row, folder)
      # Should a later one fail, the first figures are not lost.
      print(row, json.dumps(report['rows'][row]), file=sys.stderr)
  print(table(report))
  print(json.dumps(report))
  return 0


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))

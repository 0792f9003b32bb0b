"""Sentence vectors in two systems, one after the other: rate and agreement.

    BIOBERT_BASELINE_PYTHON=.venv/baselines/bin/python \
      .venv/bin/python tests/comparison/embed_comparison.py \
      [--data=DIR] [--model=DIR] [--limit=1000] [--repeats=5] [--threads=2]

Embeds the first training sentences of NCBI-disease with the baselines' 6-layer
checkpoint: the mean over the last layer, by `embed.Embedder` (pieces packed
into rows) and by sentence-transformers (batches of 32, sorted by length, padded
to the longest). Each runs on the same cores. Rates are sentences over the
median seconds of a pass, from texts to vectors on the host, after one pass
that compiles and warms up. Timings count only on an otherwise idle machine.

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

import numpy as np

from biobert_jax.data.ner import corpus as ner_corpus
from biobert_jax.text.documents import Document
from tests.comparison import baseline


def ours(
  model: str, texts: list[str], repeats: int
) -> tuple[np.ndarray, list[float]]:
  """(vectors [texts, D], seconds of each pass) with biobert_jax."""
  # Only now: it takes the cores that the process may use by then.
  from biobert_jax.inference.embed import Embedder

  embedder = Embedder(model)
  documents = [Document(str(i), text) for i, text in enumerate(texts)]
  vectors = np.stack([e.vectors[0, 0] for e in embedder(documents)])
  seconds = []
  for _ in range(repeats):
    began = time.perf_counter()
    for _ in embedder(documents):
      pass
    seconds.append(time.perf_counter() - began)
  return vectors, seconds


def theirs(
  model: str, texts: list[str], repeats: int, threads: int
) -> tuple[np.ndarray, list[float]]:
  """The same with sentence-transformers."""
  given = {
    'texts': texts,
    'hidden': False,
    'repeats': repeats,
    'threads': threads,
  }
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    (folder / 'given.json').write_text(json.dumps(given), 'utf-8')
    files = [folder / n for n in ('given.json', 'theirs.npz')]
    baseline.run(baseline.script('hf_embed.py'), model, *files)
    with np.load(files[1]) as arrays:
      return arrays['sentences'], arrays['seconds'].tolist()


def parse(arguments: list[str]) -> argparse.Namespace:
  """Reads the command line."""
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument(
    '--data', type=pathlib.Path, default=baseline.DATA / 'ncbi-disease'
  )
  parser.add_argument(
    '--model', help="default: the baselines' 6-layer checkpoint"
  )
  parser.add_argument('--limit', type=int, default=1000, help='sentences')
  parser.add_argument('--repeats', type=int, default=5, help='timed passes')
  parser.add_argument('--threads', type=int, default=2, help='cores of each')
  return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
  """Runs both; returns the exit code."""
  flags = parse(arguments)
  if not baseline.PYTHON:
    print(baseline.REASON, file=sys.stderr)
    return 3
  model = flags.model or str(baseline.checkpoint())
  load = baseline.keep_to_cores(flags.threads)
  read = ner_corpus.read_split(flags.data, 'train', Counter())[: flags.limit]
  texts = [' '.join(sentence.tokens) for sentence in read]
  mine, seconds = ours(model, texts, flags.repeats)
  found, other = theirs(model, texts, flags.repeats, flags.threads)
  # Its last module normalises.
  mine /= np.linalg.norm(mine, axis=1, keepdims=True)
  report: dict[str, Any] = {
    'texts': len(texts),
    'load_before': load,
    'difference': float(np.max(np.abs(mine - found))),
  }
  for name, each in (('ours', seconds), ('baseline', other)):
    median = float(np.median(each))
    report[name] = {'texts_per_second': len(texts) / median, 'seconds': each}
    fastest, slowest = min(each), max(each)
    rate = report[name]['texts_per_second']
    print(f'{name:6}{rate:9.1f} texts/s  ({fastest:.2f} to {slowest:.2f} s)')
  rates = [report[name]['texts_per_second'] for name in ('ours', 'baseline')]
  report['ratio'] = rates[0] / rates[1]
  print(f'rate x {report["ratio"]:.2f}, difference {report["difference"]:.1e}')
  print(json.dumps(report))
  return 0


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))

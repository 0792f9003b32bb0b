"""The benchmark of pre-training compares with what it says it does."""

import json
import os
import pathlib
import random
import subprocess
import sys

import numpy as np
import pytest

from scripts.benchmark import pretraining
from tests.fixtures.sentence_corpora import abstracts, reference_pairs

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_its_port_makes_the_pairs_of_the_reference():
  """By their lengths: A, B and how many, over documents of numbered pieces."""
  lengths = [document for article in abstracts(300) for document in article]
  texts, first = [], 0
  for document in lengths:
    starts = first + np.cumsum([0, *document])
    pairs = zip(starts[:-1], starts[1:], strict=True)
    texts.append([list(range(begin, end)) for begin, end in pairs])
    first = int(starts[-1])
  sizes = [sum(document) for document in lengths]
  document_of = np.repeat(np.arange(len(sizes)), sizes)
  longest = pretraining.LENGTH - 3
  draw, theirs_draw = random.Random(0), np.random.default_rng(0)
  ours, theirs = [], []
  # A few documents of tiny pairs weigh much: many turns make them average.
  for number in [*range(len(texts))] * 12:
    for a, b in pretraining.reference_pairs(texts, number, draw):
      assert 0 < len(a) + len(b) <= longest
      for segment in (a, b):
        assert segment == list(range(segment[0], segment[-1] + 1))
      is_random = document_of[a[0]] != document_of[b[0]]
      ours.append((len(a), len(b), len(a) + len(b), is_random))
    for a, b, is_random in reference_pairs(
      lengths, number, longest, 0.1, theirs_draw
    ):
      theirs.append((a, b, a + b, is_random))
  print(np.mean(ours, 0), np.mean(theirs, 0))
  assert len(ours) == pytest.approx(len(theirs), rel=0.05)
  np.testing.assert_allclose(np.mean(ours, 0), np.mean(theirs, 0), rtol=0.06)


def test_a_part_runs_without_a_corpus_and_without_tensorflow(tmp_path):
  program = (
    'import runpy, sys\n'
    "sys.modules['tensorflow'] = None\n"  # Its import would fail.
    "sys.argv = ['benchmark.py', 'rows']\n"
    "runpy.run_path('scripts/benchmark/benchmark.py', run_name='__main__')\n"
  )
  done = subprocess.run(
    [sys.executable, '-c', program],
    capture_output=True,
    text=True,
    cwd=ROOT,
    env=os.environ | {'BIOBERT_DATA': str(tmp_path)},
  )
  assert done.returncode == 0, done.stderr
  report = json.loads(done.stdout.splitlines()[-1])
  assert set(report) == {'corpus', 'device', 'rows'}
  assert all(value > 0 for value in report['rows'].values())

"""Scores of an int8 export beside the original's, on the run's own data."""

import pathlib
import time

from biobert_jax.checkpoints.formats.onnx import onnx
from biobert_jax.inference.model_runner import ADAPTERS, run_program
from biobert_jax.tasks.task import Dataset

# Heads whose outputs can be scored.
HEADS = frozenset(ADAPTERS)


def score_int8(
  folder: pathlib.Path, head: str, dataset: Dataset, split: str
) -> dict[str, float]:
  """The cost of int8 in F1 and its gain in speed, on a split of a corpus.

  Args:
    folder: the ONNX export, with its float32 and int8 files.
    head: one of `HEADS`.
    dataset: the corpus, one sequence per row: neither program knows packed
      sequences.
    split: the name of the split.

  Returns:
    The scores of both files, sentences per second with int8, and the time of
    float32 divided by that of int8.
  """
  rows, figures, seconds = dataset.rows(split), {}, {}
  for name, int8 in (('float32', False), ('int8', True)):
    program = onnx.OnnxProgram(folder, int8=int8)
    began = time.perf_counter()
    outputs = list(run_program(program, ADAPTERS[head], rows, trim=True))
    seconds[name] = time.perf_counter() - began
    scored = dataset.score(split, iter(outputs))
    measure = 'f1' if 'f1' in scored.metrics else 'macro_f1'
    figures[f'{split}_{measure}_{name}'] = scored.metrics[measure]
  figures['sentences_per_second'] = rows.num_rows / seconds['int8']
  figures['speed_ratio'] = seconds['float32'] / seconds['int8']
  return figures

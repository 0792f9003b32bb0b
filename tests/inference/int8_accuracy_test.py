"""Both programs of an ONNX export, scored on the same rows."""

import pathlib

import numpy as np

from biobert_jax.inference import int8_accuracy
from biobert_jax.tasks.task import Scored


class Rows:
  """One row of three tokens."""

  max_seq_length = num_rows = 3

  def eval_batches(self, size):
    del size
    ids = np.asarray([[2, 7, 3]])
    yield {'input_ids': ids, 'segment_ids': 0 * ids, 'sequence_ids': ids > 0}


class Dataset:
  """Its score is the label that was predicted for the first token."""

  labels: tuple[str, ...] = ()

  def rows(self, split):
    assert split == 'test'
    return Rows()

  def score(self, split, outputs):
    del split
    ((_, found),) = outputs
    return Scored({'f1': float(found['label'][0, 0])}, 0.0, {})


def test_both_programs_are_scored(monkeypatch):
  def model(folder, int8):
    assert folder == pathlib.Path('export')
    best = 2 if int8 else 1
    logits = np.eye(3, dtype=np.float32)[[[best, 0, 0]]]
    return lambda ids, mask, segments: {'logits': logits}

  monkeypatch.setattr(int8_accuracy.onnx, 'OnnxProgram', model)
  found = int8_accuracy.score_int8(
    pathlib.Path('export'), 'token', Dataset(), 'test'
  )
  assert (found['test_f1_float32'], found['test_f1_int8']) == (1.0, 2.0)
  assert found['sentences_per_second'] > 0
  assert found['speed_ratio'] > 0


def test_heads_without_a_program_or_a_score_are_left_out():
  assert {'token', 'sequence', 'span', 'yes_no'} <= int8_accuracy.HEADS
  assert not {'encoder', 'pretraining', 'masked_lm'} & int8_accuracy.HEADS

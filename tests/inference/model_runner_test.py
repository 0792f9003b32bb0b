"""Models of each head, opened for a task; programs' outputs adapted."""

import pathlib

import numpy as np
import pytest

from biobert_jax.checkpoints import detect, pretrained
from biobert_jax.errors import InputError
from biobert_jax.inference import model_runner
from biobert_jax.tasks.task import Scored
from tests.fixtures import model_folders, small_predictors


def test_settings_are_completed_and_cut_to_the_positions(tmp_path):
  model_folders.write_huggingface(tmp_path / 'span', 'span')
  settings = model_runner.load_for('qa', tmp_path / 'span').settings
  assert settings['max_seq_length'] == 64  # 384, except for its positions.
  assert settings['n_best'] == 20
  opened = small_predictors.relation(tmp_path / 'relation')
  settings = model_runner.load_for('relation', opened).settings
  assert (settings['max_seq_length'], settings['entities']) == (
    32,
    'anonymised',
  )


def test_a_model_is_given_by_path_source_or_open(tmp_path):
  model_folders.write_huggingface(tmp_path)
  opened = pretrained.load_pretrained(tmp_path)
  for model in (str(tmp_path), tmp_path, detect.detect(tmp_path), opened):
    assert model_runner.load_for('ner', model).labels == ('O', 'B', 'I')


@pytest.mark.parametrize('task', sorted(model_runner.TASKS))
def test_another_head_is_refused(task, tmp_path):
  model_folders.write_huggingface(tmp_path, 'encoder')
  need = model_runner.TASKS[task].need
  with pytest.raises(InputError, match=f'its head is encoder; {need}'):
    model_runner.load_for(task, tmp_path)


class Rows:
  """Two packed sequences of 3 and 2 tokens, in rows of 5."""

  max_seq_length, num_rows = 5, 2

  def eval_batches(self, size):
    del size
    ids = np.asarray([[2, 7, 3, 0, 0], [2, 3, 0, 0, 0]])
    yield {
      'input_ids': ids,
      'segment_ids': np.zeros_like(ids),
      'sequence_ids': (ids > 0).astype(int),
    }


def program(shape):
  """A program that returns logits of some shape, and what it was given."""
  given = []

  def run(ids, mask, segments):
    given.append((ids.shape, mask.sum(axis=1).tolist(), segments.shape))
    logits = np.random.default_rng(0).normal(size=(*ids.shape, 4))
    logits = logits.astype(np.float32)
    return {
      'logits': logits[shape],
      'start_logits': logits[..., 0],
      'end_logits': logits[..., 1],
    }

  return run, given


@pytest.mark.parametrize('trim', [False, True])
@pytest.mark.parametrize(
  ('head', 'part', 'shapes'),
  [
    (
      'token',
      ...,
      {'label': (2, 5), 'probability': (2, 5), 'scores': (2, 5, 4)},
    ),
    ('span', ..., {'start_logit': (2, 5), 'end_logit': (2, 5)}),
    (
      'sequence',
      (slice(None), 0),
      {'probability': (2, 1, 4), 'logits': (2, 1, 4)},
    ),
    ('yes_no', (slice(None), 0, 0), {'logits': (2, 1, 2)}),
  ],
)
def test_outputs_of_programs(head, part, shapes, trim):
  run, given = program(part)
  ((batch, found),) = model_runner.run_program(run, head, Rows(), trim=trim)
  length = 3 if trim else 5
  assert given == [((2, length), [3, 2], (2, length))]
  assert {name: array.shape for name, array in found.items()} == shapes
  assert batch['input_ids'].shape == (2, 5)
  if head == 'yes_no':
    assert not found['logits'][..., 0].any()  # 'no' has the logit 0.
  if head == 'sequence':
    np.testing.assert_allclose(found['probability'].sum(-1), 1, rtol=1e-6)
  if head == 'token':
    assert found['label'].dtype == np.int32
    assert (found['label'][:, 3:] == 0).all() == trim


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
    logits = np.eye(3, dtype=np.float32)[[[best, 0, 0]] * 2]
    return lambda ids, mask, segments: {'logits': logits}

  monkeypatch.setattr(model_runner.onnx, 'OnnxProgram', model)
  found = model_runner.score_int8(
    pathlib.Path('export'), 'token', Dataset(), 'test'
  )
  assert (found['test_f1_float32'], found['test_f1_int8']) == (1.0, 2.0)
  assert found['sentences_per_second'] > 0
  assert found['speed_ratio'] > 0


def test_heads_without_a_program_or_a_score_are_left_out():
  assert {'token', 'sequence', 'span', 'yes_no'} <= model_runner.HEADS
  assert not {'encoder', 'pretraining', 'masked_lm'} & model_runner.HEADS

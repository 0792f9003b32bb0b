"""Pre-training as a user meets it: whole runs on a few invented articles."""

import json
import pathlib

import jax
import numpy as np
import pytest

from biobert_jax import errors
from biobert_jax.checkpoints import pretrained
from biobert_jax.text.wordpiece import WordPieceTokenizer
from biobert_jax.training import evaluate, experiment, preemption, train
from tests.fixtures import google_examples, small_corpus, small_run
from tests.fixtures.saved_state import leaves_of

FIGURES = {
  f'{what}_{figure}'
  for what in ('masked_lm', 'next_sentence')
  for figure in ('loss', 'accuracy', 'count')
}


def records(folder: pathlib.Path) -> list[dict]:
  lines = (folder / 'metrics.jsonl').read_text().splitlines()
  return [json.loads(line) for line in lines]


@pytest.fixture(scope='module')
def shards(tmp_path_factory):
  return small_corpus.make(tmp_path_factory.mktemp('corpus'), held_out=0.2)


@pytest.fixture(scope='module')
def whole(tmp_path_factory, shards):
  """An unbroken run and its report."""
  folder = tmp_path_factory.mktemp('whole')
  return folder, train.train(small_run.pretraining(str(shards)), str(folder))


def test_learns_and_reports(whole):
  folder, report = whole
  assert report['step'] == 12
  assert set(report['results']['validation']) == FIGURES
  found = records(folder)
  losses = [r['train/masked_lm_loss'] for r in found if 'train/loss' in r]
  assert len(losses) == 12
  assert losses[-1] < 0.9 * losses[0]
  first = next(r for r in found if 'train/loss' in r)
  assert first['train/loss'] == pytest.approx(
    first['train/masked_lm_loss'] + first['train/next_sentence_loss']
  )
  assert 0.5 < first['train/fill'] <= 1
  assert first['train/useful_pieces_per_second'] == pytest.approx(
    first['train/fill'] * first['train/pieces_per_second']
  )
  scored = [r for r in found if 'validation/masked_lm_loss' in r]
  assert [r['step'] for r in scored] == [6, 12]
  assert all(0 < r['run/goodput'] < 1 for r in scored)
  assert (folder / 'curves.png').stat().st_size > 0


def test_evaluate_gives_the_figures_of_training(whole):
  folder, report = whole
  figures = evaluate.evaluate(str(folder), 'validation')
  for name, value in report['results']['validation'].items():
    assert figures[name] == pytest.approx(value, rel=1e-6)
  with pytest.raises(errors.InputError, match="no split 'devel'; there are"):
    evaluate.evaluate(str(folder), 'devel')


def test_resumed_run_has_the_bytes_of_an_unbroken_one(
  whole, shards, tmp_path, monkeypatch
):
  """Stopped where it is scored; other steps: train_test.py."""
  folder, _ = whole
  original = preemption.Preemption.check

  def check(self, state, save, flush):
    if int(state.step) == 6:
      self.requested = True
    original(self, state, save, flush)

  with monkeypatch.context() as patch:
    patch.setattr(preemption.Preemption, 'check', check)
    with pytest.raises(errors.PreemptedError, match='at step 6'):
      train.train(small_run.pretraining(str(shards)), str(tmp_path))
  train.train(small_run.pretraining(str(shards)), str(tmp_path))
  for a, b in zip(leaves_of(folder, 12), leaves_of(tmp_path, 12), strict=True):
    np.testing.assert_array_equal(a, b)


@pytest.mark.multidevice
@pytest.mark.parametrize(
  'changes',
  [
    {'mesh__strategy': 'fsdp'},
    {'mesh__strategy': 'tp', 'mesh__model': 2, 'batch_size': 8},
    {'compute__scan_layers': True, 'compute__remat': 'names'},
  ],
)
def test_every_layout_has_the_same_losses(whole, shards, tmp_path, changes):
  folder, _ = whole
  config = small_run.pretraining(str(shards), **changes)
  train.train(config, str(tmp_path))
  expected, actual = (
    [r['train/loss'] for r in records(f) if 'train/loss' in r]
    for f in (folder, tmp_path)
  )
  if changes.get('compute__scan_layers'):  # Other random weights to start.
    assert len(actual) == len(expected)
  else:
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


@pytest.mark.multidevice
def test_splash_attention_has_the_losses_of_einsum(shards, tmp_path):
  changes = {
    'data__max_seq_length': 128,
    'model__attention_probs_dropout_prob': 0.0,
    'train__steps': 2,
    'batch_size': 8,
  }
  losses, scores = {}, {}
  for name, layout in (
    ('einsum', {}),
    ('splash_attention', {'mesh__strategy': 'tp', 'mesh__model': 2}),
  ):
    config = small_run.pretraining(
      str(shards), compute__attention=name, **changes, **layout
    )
    report = train.train(config, str(tmp_path / name))
    scores[name] = report['results']['validation']
    found = records(tmp_path / name)
    losses[name] = [r['train/loss'] for r in found if 'train/loss' in r]
  assert len(losses['einsum']) == 2
  np.testing.assert_allclose(*losses.values(), rtol=1e-5)
  for figure, value in scores['einsum'].items():
    assert scores['splash_attention'][figure] == pytest.approx(value, rel=1e-4)


def test_without_next_sentence_there_is_neither_head_nor_pooler(
  shards, tmp_path
):
  config = small_run.pretraining(
    str(shards), data__next_sentence=False, train__steps=2
  )
  report = train.train(config, str(tmp_path))
  assert set(report['results']['validation']) == {
    *('masked_lm_loss', 'masked_lm_accuracy', 'masked_lm_count')
  }
  assert pretrained.load_pretrained(str(tmp_path)).head == 'masked_lm'


def test_what_it_trained_starts_a_tagger(whole, tmp_path, caplog):
  caplog.set_level('INFO')
  folder, _ = whole
  config = small_run.config(
    init_from=str(folder), data__max_seq_length=64, train__epochs=1.0
  )
  made = experiment.from_config(config)
  assert made.tokenizer.pieces == small_corpus.TOKENIZER.pieces
  shapes = jax.eval_shape(made.task.init, jax.random.key(0))
  _, loaded = experiment.load_weights(made, shapes)
  assert 'bert/embeddings/word_embeddings' in loaded
  assert 'new: classifier/kernel' in caplog.text
  assert pretrained.load_pretrained(str(folder)).head == 'pretraining'


def test_shards_of_another_vocabulary_are_refused(whole, shards, tmp_path):
  pieces = (*small_corpus.PIECES, 'other')
  WordPieceTokenizer(pieces, True).save(str(tmp_path / 'v'), 32)
  config = small_run.pretraining(
    str(shards),
    vocab__path=str(tmp_path / 'v' / 'vocab.txt'),
    vocab__do_lower_case=True,
  )
  with pytest.raises(errors.InputError, match='made with another vocabulary'):
    train.train(config, str(tmp_path / 'run'))


@pytest.mark.parametrize(
  ('changes', 'what'),
  [
    ({'data__dir': ''}, 'data.dir is not set'),
    ({'data__dir': '/nowhere/*.tfrecord'}, 'no such folder or file'),
    ({'masking__rate': 0.0}, r'masking.rate is 0.0; it must lie in \(0, 1\)'),
    ({'masking__max_predictions': 0}, 'masking.max_predictions is 0'),
    ({'data__devel_split': 'devel'}, "no split 'devel'; there are"),
    ({'train__steps': 0}, 'train.steps is 0'),
    ({'train__keep': 'worst'}, "train.keep is 'worst'"),
    ({'compute__reduce_dtype': 'bfloat16'}, 'XLA cannot sum on a CPU'),
    ({'compute__reduce_dtype': 'int8'}, "compute.reduce_dtype is 'int8'"),
    ({'data__single_sentence': 'alone'}, 'single_sentence'),
    ({'data__short_seq_prob': 1.5}, 'short_seq_prob'),
    ({'data__max_seq_length': 4}, 'too short'),
    ({'data__eval_rows': 0}, 'data.eval_rows is 0'),
  ],
)
def test_wrong_configs_are_refused(shards, tmp_path, changes, what):
  config = small_run.pretraining(str(shards), **changes)
  with pytest.raises(errors.InputError, match=what):
    train.train(config, str(tmp_path))
  assert not (tmp_path / 'checkpoints').exists()


def test_a_damaged_shard_ends_the_run_with_its_name(tmp_path):
  folder = small_corpus.make(tmp_path, held_out=0.2)
  path = sorted(folder.glob('corpus-train.array_record-*'))[0]
  data = bytearray(path.read_bytes())
  middle = slice(1000, 3000)  # The rest of so small a file is empty.
  data[middle] = bytes(255 - b for b in data[middle])
  path.write_bytes(bytes(data))
  config = small_run.pretraining(str(folder), data__verify='all')
  with pytest.raises(errors.InputError, match=f'{path.name}: differs'):
    train.train(config, str(tmp_path / 'run'))
  config = small_run.pretraining(str(folder), data__verify='sizes')
  with pytest.raises(errors.InputError, match=f'{path.name}.*copy it again'):
    train.train(config, str(tmp_path / 'run'))


def test_the_references_files_train_with_the_masks_they_have(tmp_path):
  rows = [google_examples.row_of(number) for number in range(40)]
  vocabulary = len(small_corpus.PIECES)
  for row in rows:
    for name in ('input_ids', 'masked_lm_ids'):
      row[name] = [piece % vocabulary for piece in row[name]]
  files = {'train-0': rows[:16], 'train-1': rows[16:32], 'held': rows[32:]}
  google_examples.write(
    tmp_path, {f'{name}.tfrecord': some for name, some in files.items()}
  )
  small_corpus.TOKENIZER.save(str(tmp_path / 'vocabulary'), 32)
  config = small_run.pretraining(
    str(tmp_path / 'train-*.tfrecord'),
    data__devel_split=str(tmp_path / 'held.tfrecord'),
    data__max_seq_length=google_examples.LENGTH,
    vocab__path=str(tmp_path / 'vocabulary' / 'vocab.txt'),
    vocab__do_lower_case=True,
  )
  report = train.train(config, str(tmp_path / 'run'))
  (figures,) = report['results'].values()
  assert figures['next_sentence_count'] == 8
  masked = sum(sum(row['masked_lm_weights']) for row in rows[32:])
  assert figures['masked_lm_count'] == masked
  losses = [
    r['train/masked_lm_loss']
    for r in records(tmp_path / 'run')
    if 'train/loss' in r
  ]
  assert losses[-1] < losses[0]
  config.data.dir = str(tmp_path / 'absent-*.tfrecord')
  with pytest.raises(errors.InputError, match='absent-.*: no such folder or'):
    train.train(config, str(tmp_path / 'other'))

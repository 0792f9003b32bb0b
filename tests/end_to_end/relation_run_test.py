"""Relation extraction as a user meets it: whole runs on invented sentences."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from biobert_jax import errors
from biobert_jax.checkpoints import export, pretrained
from biobert_jax.commands import export as export_command
from biobert_jax.inference import model_runner
from biobert_jax.training import evaluate, preemption, train
from tests.fixtures import shared_runs, small_run
from tests.fixtures.saved_state import leaves_of

ROOT = pathlib.Path(__file__).parents[2]


def losses_of(folder: pathlib.Path) -> list[float]:
  lines = (folder / 'metrics.jsonl').read_text().splitlines()
  records = [json.loads(line) for line in lines]
  return [r['train/loss'] for r in records if 'train/loss' in r]


def config_of(fold, **overrides):
  steep = {'train__steps': 30, 'optim__learning_rate': 1e-2}
  steep['train__checkpoint_every_steps'] = 1000
  return small_run.relation(str(fold), **(steep | overrides))


def with_report(folder):
  return folder, json.loads((folder / 'results.json').read_text())


@pytest.fixture(scope='module')
def shared(tmp_path_factory):
  """A fold, and an unbroken run of `config_of`."""
  return shared_runs.relations(tmp_path_factory)


@pytest.fixture(scope='module')
def fold(shared):
  return shared[0]


@pytest.fixture(scope='module')
def whole(shared):
  """An unbroken run and its report."""
  return with_report(shared[1])


def test_learns_and_reports(whole):
  folder, report = whole
  figures = report['results']['test']
  assert {'precision', 'recall', 'f1', 'specificity'} <= set(figures)
  assert figures['f1'] == 100.0  # The verb tells, and it has been seen.
  losses = losses_of(folder)
  assert losses[0] == pytest.approx(np.log(2), abs=0.1)  # Mean a sentence.
  assert losses[-1] < 0.3 * losses[0]
  record = json.loads((folder / 'config.json').read_text())
  assert record['labels'] == ['0', '1']
  assert record['counts']['test_sentences_also_in_train'] == 3
  for name in ('curves.png', 'predictions_test.tsv', 'errors_test.tsv'):
    assert (folder / name).stat().st_size > 0


def test_evaluate_gives_the_figures_of_training(whole, fold):
  folder, report = whole
  files = [folder / f'{name}_test.tsv' for name in ('predictions', 'errors')]
  before = [file.read_text() for file in files]
  figures = evaluate.evaluate(str(folder), 'test', str(fold))
  assert figures.items() >= report['results']['test'].items()
  assert [file.read_text() for file in files] == before
  assert evaluate.evaluate(str(folder), 'train')['examples'] == 32
  with pytest.raises(errors.InputError, match=r'dev\.tsv:1'):
    evaluate.evaluate(str(folder), 'devel')


def test_the_score_tool_agrees(whole, fold):
  """On the file that the reference's own evaluation takes."""
  folder, report = whole
  done = subprocess.run(
    [
      *(sys.executable, '-m', 'biobert_jax', 'score', 'relation'),
      *(str(fold / 'test.tsv'), str(folder / 'test_results.tsv')),
    ],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
  )
  figures = json.loads(done.stdout.splitlines()[-1])
  for name in ('precision', 'recall', 'f1', 'specificity', 'per_label'):
    assert figures[name] == report['results']['test'][name]


def test_resumed_run_has_the_bytes_of_an_unbroken_one(
  whole, fold, tmp_path, monkeypatch
):
  folder, _ = whole
  config = config_of(fold)
  original = preemption.Preemption.check

  def check(self, state, save, flush):
    if int(state.step) == 17:
      self.requested = True
    original(self, state, save, flush)

  with monkeypatch.context() as patch:
    patch.setattr(preemption.Preemption, 'check', check)
    with pytest.raises(errors.PreemptedError, match='at step 17'):
      train.train(config, str(tmp_path))
  train.train(config, str(tmp_path))
  pairs = zip(leaves_of(folder, 30), leaves_of(tmp_path, 30), strict=True)
  for one, other in pairs:
    np.testing.assert_array_equal(one, other)


@pytest.mark.multidevice
def test_a_model_cut_over_devices_has_the_same_losses(whole, fold, tmp_path):
  folder, _ = whole
  train.train(config_of(fold, mesh__strategy='fsdp'), str(tmp_path))
  np.testing.assert_allclose(losses_of(tmp_path), losses_of(folder), rtol=2e-3)


def test_the_work_folder_is_a_sequence_classifier(whole):
  folder, _ = whole
  model = pretrained.load_pretrained(folder)
  assert (model.head, model.labels) == ('sequence', ('0', '1'))
  assert 'bert/pooler/dense/kernel' in model.params
  with pytest.raises(errors.InputError, match='its head is sequence; entities'):
    model_runner.load_for('ner', model)


@pytest.mark.parametrize('form', sorted(export.FORMATS))
def test_every_export_is_one_too(form, whole, fold, tmp_path):
  folder, report = whole
  model = pretrained.load_pretrained(folder)
  score_int8 = export_command.int8_scorer(model)
  done = export.export(model, form, str(tmp_path / form), score_int8=score_int8)
  assert done['head'] == 'sequence'
  again = pretrained.load_pretrained(tmp_path / form)
  assert (again.head, again.labels) == ('sequence', ('0', '1'))
  card = (tmp_path / form / 'README.md').read_text()
  assert 'text-classification' in card
  assert f'corpus: `{fold.parent.name}/1`' in card  # Of a fold, whose it is.
  assert str(fold.parent) not in card
  if form == 'onnx':  # Run a sentence a row, by another program.
    f1 = report['results']['test']['f1']
    assert done['checked']['int8']['test_f1_float32'] == f1


def test_it_goes_on_from_another_task_s_weights(whole, fold, tmp_path):
  """Encoder and pooler are taken; a classifier of other labels is not."""
  folder, _ = whole
  for split in ('train', 'test'):
    text = (fold / f'{split}.tsv').read_text()
    text = text.replace('\t1\n', '\tyes\n').replace('\t0\n', '\tno\n')
    (tmp_path / f'{split}.tsv').write_text(text)
  config = small_run.relation(
    str(tmp_path),
    init_from=str(folder),
    data__labels=('no', 'yes'),
    data__negative='no',
    train__steps=1,
  )
  train.train(config, str(tmp_path / 'run'))
  before, after = (
    pretrained.load_pretrained(f).params for f in (folder, tmp_path / 'run')
  )
  moved = {n: float(np.abs(after[n] - before[n]).max()) for n in before}
  assert moved['bert/pooler/dense/kernel'] < 0.02
  assert moved['classifier/kernel'] > 0.02


def test_markers_with_entity_starts(tmp_path_factory, tmp_path):
  """Names inside of markers, told by the vectors of these: the same path."""
  fold, run = shared_runs.relations(tmp_path_factory, marked=True)
  folder, report = with_report(run)
  assert report['results']['test']['f1'] == 100.0
  figures = evaluate.evaluate(str(folder), 'test')
  assert figures.items() >= report['results']['test'].items()
  model = pretrained.load_pretrained(folder)
  assert (model.head, model.labels) == ('entity_pair', ('0', '1'))
  assert model.params['entity_classifier/kernel'].shape == (64, 2)
  assert not any('pooler' in path for path in model.params)
  assert {f'[unused{i}]' for i in range(95, 99)} <= set(model.tokenizer.pieces)
  # The paper's form goes on from its encoder, and it from the paper's.
  again = config_of(
    fold, init_from=str(folder), train__steps=1, data__entities='markers'
  )
  train.train(again, str(tmp_path / 'again'))
  assert pretrained.load_pretrained(tmp_path / 'again').head == 'sequence'

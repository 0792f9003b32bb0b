"""Eight models in one program, against the same eight by the training loop."""

import json

import numpy as np
import pytest

from biobert_jax import stacked
from biobert_jax.stack_program import StackProgram
from biobert_jax.training import evaluate, train, workdir
from biobert_jax.training import experiment as experiments
from tests.fixtures import small_relations, small_run

# Of the eight runs: seeds, rates, lengths and folds differ.
RATES = (1e-3, 3e-3, 5e-3, 1e-2)


def configs(folds):
  return [
    small_run.relation(
      str(folds[i % 2]),
      seed=i,
      optim__learning_rate=RATES[i % 4],
      optim__warmup_fraction=0.1 * (i % 3),
      train__steps=12 + i % 3,
    )
    for i in range(8)
  ]


def losses_of(folder):
  lines = (folder / 'metrics.jsonl').read_text().splitlines()
  records = [json.loads(line) for line in lines]
  return np.asarray([r['train/loss'] for r in records if 'train/loss' in r])


@pytest.fixture(scope='module')
def folds(tmp_path_factory):
  """Two folds; the second has another train and as many word pieces."""
  folder = tmp_path_factory.mktemp('folds')
  for name in ('1', '2'):
    small_relations.write(folder / name)
  text = (folder / '2' / 'train.tsv').read_text().splitlines(keepends=True)
  (folder / '2' / 'train.tsv').write_text(''.join(text[::-1] + text[:9]))
  return folder / '1', folder / '2'


def train_stack(folds, folder):
  runs = [experiments.from_config(config) for config in configs(folds)]
  folders = [workdir.folder_of(str(folder / str(i))) for i in range(8)]
  return stacked.train_stack(runs, folders, folders[0].parent / 'stack')


@pytest.fixture(scope='module')
def together(folds, tmp_path_factory):
  folder = tmp_path_factory.mktemp('together')
  return folder, train_stack(folds, folder)


@pytest.mark.multidevice
def test_each_run_is_what_it_would_be_alone(folds, together, tmp_path):
  folder, reports = together
  for i in (0, 3, 5):  # Of both folds; eight: tests/training/stack_test.py.
    config = configs(folds)[i]
    alone = tmp_path / str(i)
    report = train.train(config, str(alone))
    assert len(losses_of(alone)) == config.train.steps
    np.testing.assert_allclose(
      losses_of(folder / str(i)), losses_of(alone), rtol=0, atol=1e-5
    )
    assert reports[i]['results'] == report['results']
    assert reports[i]['step'] == report['step']


def test_a_killed_stack_goes_on_from_its_last_save(
  folds, together, tmp_path, monkeypatch
):
  folder, reports = together
  advance = StackProgram.advance

  def die(self, batch):
    if self.step == 8:  # Saved are 5 steps.
      raise KeyboardInterrupt
    return advance(self, batch)

  with monkeypatch.context() as patch:
    patch.setattr(StackProgram, 'advance', die)
    with pytest.raises(KeyboardInterrupt):
      train_stack(folds, tmp_path)
  taken = []

  def count(self, batch):
    taken.append(self.step)
    return advance(self, batch)

  monkeypatch.setattr(StackProgram, 'advance', count)
  again = train_stack(folds, tmp_path)
  assert taken == [*range(5, 14)]
  for i, (one, other) in enumerate(zip(reports, again, strict=True)):
    assert one['results'] == other['results']
    np.testing.assert_array_equal(
      losses_of(folder / str(i)), losses_of(tmp_path / str(i))
    )


def test_each_leaves_an_ordinary_work_folder(folds, together):
  folder, reports = together
  figures = evaluate.evaluate(str(folder / '3'), 'test', str(folds[1]))
  assert figures.items() >= reports[3]['results']['test'].items()
  for name in ('curves.png', 'predictions_test.tsv', 'errors_test.tsv'):
    assert (folder / '3' / name).stat().st_size > 0

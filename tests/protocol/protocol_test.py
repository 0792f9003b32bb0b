"""The order of a protocol's runs, with trainings that are only pretended."""

import json
import string

import pytest

from biobert_jax import errors
from biobert_jax.errors import DivergedError, InputError
from biobert_jax.protocol import protocol
from biobert_jax.training import experiment as experiments
from biobert_jax.training import train
from biobert_jax.training import workdir as training_workdir
from tests.fixtures import small_relations, small_run

GRID = 'optim.learning_rate=1e-3,2e-3,4e-3'


class Trainings:
  """Stands for `train`; the learning rate decides the score."""

  def __init__(self):
    self.names: list[str] = []
    self.dies_at = 0
    self.diverges_at = 0.0

  def train(self, config, workdir):
    self.names.append(workdir.rsplit('/', 1)[-1])
    if len(self.names) == self.dies_at:
      raise KeyboardInterrupt
    return self._report(experiments.from_config(config), workdir)

  def _report(self, experiment, folder):
    config = experiment.config
    training_workdir.save_experiment(
      experiment, training_workdir.folder_of(folder)
    )
    rate = config.optim.learning_rate
    if rate == self.diverges_at:
      return {'workdir': folder, 'diverged': 7}
    score = 1e4 * rate + config.seed
    data = config.data
    splits = [s for s in (data.devel_split, data.test_split) if s]
    figures = {'precision': score, 'recall': score, 'f1': 0.01 + score}
    figures |= {'unrounded': {'f1': score}, 'per_type': {}}
    return {
      'workdir': folder,
      'step': 12,
      'results': dict.fromkeys(splits, figures),
      'selection': dict.fromkeys(splits, score),
    }


@pytest.fixture
def trainings(monkeypatch):
  made = Trainings()
  monkeypatch.setattr(train, 'train', made.train)
  return made


@pytest.fixture(autouse=True)
def corpus(tmp_path):
  """Two sentences a split, and letters as vocabulary: nothing to wait for."""
  folder = tmp_path / 'corpus'
  folder.mkdir()
  for split in ('train', 'devel', 'test'):
    (folder / f'{split}.tsv').write_text(f'{split}\tB\nis\tO\n\nred\tO\n')
  letters = string.ascii_letters + string.digits + '@$.'
  pieces = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', *letters]
  pieces += [f'##{letter}' for letter in letters]
  (folder / 'vocab.txt').write_text('\n'.join(pieces) + '\n')
  return folder


@pytest.fixture
def go(corpus):
  def run(folder, config=None, **flags):
    given = {'grid': GRID, 'seeds': '2', 'folds': ''}
    given |= {'processes': '1', 'corpus': ''} | flags
    config = config or small_run.config()
    own = {} if given['folds'] else {'data.dir': str(corpus)}
    path = {'vocab.path': str(corpus / 'vocab.txt')}
    config.update_from_flattened_dict(path | own)
    return protocol.protocol(config, str(folder), **given)

  return run


def lines_of(folder):
  text = (folder / 'ledger.jsonl').read_text()
  return [json.loads(line) for line in text.splitlines()[1:]]


@pytest.fixture
def folds(tmp_path):
  for fold in ('1', '2', '3'):
    small_relations.write(tmp_path / 'small' / fold)
  return small_run.relation(str(tmp_path / 'small' / '1'))


def test_devel_chooses_and_each_seed_is_tested(trainings, go, tmp_path):
  report = go(tmp_path)
  assert [name.split('-')[0] for name in trainings.names] == [
    *['grid'] * 3,
    *['test'] * 2,
  ]
  assert report['point'] == {'optim.learning_rate': 4e-3}
  assert report['measures']['F1']['seeds'] == [40.0, 41.0]
  kept = lines_of(tmp_path)
  assert [line['stage'] for line in kept] == ['grid'] * 3 + ['test'] * 2
  assert kept[0]['test_figures'] is None  # The grid never sees test.
  assert [line['devel'] for line in kept[:3]] == [10.0, 20.0, 40.0]
  assert kept[-1]['devel'] is None
  assert set(kept[-1]['test_figures']) == {'precision', 'recall', 'f1'}
  assert json.loads((tmp_path / 'table.json').read_text()).items() <= (
    report.items()
  )


@pytest.mark.parametrize('dies_at', [2, 5])
def test_a_killed_protocol_goes_on(trainings, go, tmp_path, dies_at):
  trainings.dies_at = dies_at
  with pytest.raises(KeyboardInterrupt):
    go(tmp_path)
  assert len(lines_of(tmp_path)) == dies_at - 1
  before, trainings.dies_at = trainings.names, 0
  trainings.names = []
  report = go(tmp_path)
  # The one that was cut, and those after it.
  assert trainings.names[0] == before[-1]
  assert len(trainings.names) == 6 - dies_at
  assert report['measures']['F1']['mean'] == 40.5
  trainings.names = []
  assert go(tmp_path) == report
  assert trainings.names == []


def test_more_seeds_are_only_added(trainings, go, tmp_path):
  go(tmp_path, seeds='1')
  trainings.names = []
  assert go(tmp_path, seeds='3')['seeds'] == [0, 1, 2]
  assert len(trainings.names) == 2


def test_folds_are_trained_with_the_config_s_values(
  trainings, go, folds, tmp_path
):
  report = go(tmp_path / 'w', folds, grid='', folds='1-3')
  assert report['folds'] == ['1', '2', '3']
  assert [name.split('-')[1] for name in trainings.names] == [
    *('fold1', 'fold1', 'fold2', 'fold2', 'fold3', 'fold3')
  ]
  assert report['each'][0]['test_also_in_train'] == 3


def test_a_missing_fold_is_told_before_anything_is_trained(
  trainings, go, folds, tmp_path
):
  with pytest.raises(InputError, match='no fold 4, 5; it holds 1, 2, 3'):
    go(tmp_path / 'w', folds, grid='', folds='5')
  (tmp_path / 'small' / '3' / 'test.tsv').unlink()
  with pytest.raises(InputError, match='no test'):
    go(tmp_path / 'w', folds, grid='', folds='3')
  assert trainings.names == []
  assert not (tmp_path / 'w').exists()


@pytest.mark.parametrize(
  ('flags', 'what'),
  [
    ({'grid': 'optim.rate=1'}, 'no key'),
    ({'seeds': '0'}, '--seeds'),
    ({'processes': '0'}, '--processes'),
    ({'corpus': 'gda'}, 'the paper has NCBI disease'),
    ({'folds': '2'}, 'leave --grid out'),
    ({'folds': '2', 'grid': ''}, 'no fold 1, 2; it holds no folds'),
  ],
)
def test_wrong_flags_are_told_first(trainings, go, tmp_path, flags, what):
  with pytest.raises(InputError, match=what):
    go(tmp_path / 'w', **flags)
  assert trainings.names == []
  assert not (tmp_path / 'w').exists()


def test_another_protocol_is_refused(trainings, go, tmp_path):
  go(tmp_path)
  with pytest.raises(InputError, match='another protocol'):
    go(tmp_path, small_run.config(train__epochs=4.0))
  with pytest.raises(InputError, match='another protocol'):
    go(tmp_path, small_run.config(data__max_seq_length=64))


def test_a_point_that_diverges_is_not_chosen(trainings, go, tmp_path):
  trainings.diverges_at = 4e-3
  report = go(tmp_path)
  assert report['point'] == {'optim.learning_rate': 2e-3}
  assert report['devel'][-1]['score'] is None
  trainings.names = []
  assert go(tmp_path) == report
  assert trainings.names == []


def test_a_test_that_diverges_ends_the_protocol(trainings, go, tmp_path):
  trainings.diverges_at = 3e-3
  with pytest.raises(DivergedError, match='seed0'):
    go(tmp_path, grid='none')
  assert errors.DivergedError.exit_code == 4

"""What a protocol will run, and what it refuses to."""

import pytest

from biobert_jax.errors import InputError
from biobert_jax.protocol import plan as plans
from configs import ner_ncbi_disease, re_gad
from tests.fixtures import small_run

NER, GAD = ner_ncbi_disease.get_config('tiny'), re_gad.get_config('tiny')
GRID = 'optim.learning_rate=1e-5,3e-5;batch_size=16,32'


def test_a_grid_has_every_combination():
  assert plans.parse_grid(GRID, NER) == [
    {'optim.learning_rate': 1e-5, 'batch_size': 16},
    {'optim.learning_rate': 1e-5, 'batch_size': 32},
    {'optim.learning_rate': 3e-5, 'batch_size': 16},
    {'optim.learning_rate': 3e-5, 'batch_size': 32},
  ]


def test_the_paper_s_grid_is_that_of_ner():
  points = plans.parse_grid('', NER)
  assert len(points) == 12
  # Rows that hold some 3.2 sentences each.
  assert {point['batch_size'] for point in points} == {3, 5, 10, 20}
  unpacked = plans.changed(NER, {'data.pack': False})
  sizes = {p['batch_size'] for p in plans.parse_grid('', unpacked)}
  assert sizes == {10, 16, 32, 64}
  assert plans.parse_grid('', GAD) == plans.parse_grid('none', NER) == [{}]


@pytest.mark.parametrize(
  ('grid', 'what'),
  [
    ('optim.rate=1,2', 'no key optim.rate'),
    ('batch_size', 'is not KEY=VALUE'),
    ('batch_size=', 'is not KEY=VALUE'),
    ('batch_size=8,8', 'same value twice'),
    ('batch_size=8,many', "batch_size cannot be 'many'"),
    ('batch_size=8,2.5', 'batch_size cannot be 2.5'),
    ('batch_size=8,-1', 'batch_size is -1; it must be positive'),
    ('optim.learning_rate=1e-5,3', 'optim.learning_rate is 3'),
    ('optim=1', 'no key optim'),
    ('seed=1,2', 'protocol sets seed'),
    ('data.dir=a,b', 'protocol sets data.dir'),
    ('train.keep=best,last', 'protocol sets train.keep'),
  ],
)
def test_a_wrong_grid_is_named(grid, what):
  with pytest.raises(InputError, match=what):
    plans.parse_grid(grid, NER)


@pytest.mark.parametrize(
  ('text', 'folds'),
  [
    ('', ['']),
    ('3', ['1', '2', '3']),
    ('2-4', ['2', '3', '4']),
    ('1,3,5', ['1', '3', '5']),
    ('1-2,9', ['1', '2', '9']),
  ],
)
def test_folds_are_numbers(text, folds):
  assert plans.parse_folds(text) == folds


@pytest.mark.parametrize('text', ['x', '1-', '3-1', '1,1', '1,,2', '0'])
def test_wrong_folds_are_named(text):
  with pytest.raises(InputError, match='--folds is'):
    plans.parse_folds(text)


@pytest.mark.parametrize('text', ['0', '-1', 'x', ''])
def test_wrong_seeds_are_named(text):
  with pytest.raises(InputError, match='--seeds is'):
    plans.parse_seeds(text, NER)


def test_all_missing_folds_are_named_at_once(tmp_path):
  for fold in ('1', '2', '10'):
    (tmp_path / 'gad' / fold).mkdir(parents=True)
  for folder in ('gad/1', 'gad'):
    config = small_run.relation(str(tmp_path / folder))
    plans.check_folds(config, ['1', '10'])
    with pytest.raises(InputError, match='no fold 3, 4; it holds 1, 2, 10'):
      plans.check_folds(config, ['1', '2', '3', '4'])
  plans.check_folds(config, [''])  # A corpus without folds.


def test_the_grid_leaves_test_alone():
  points = plans.parse_grid(GRID, NER)
  runs = plans.plan_grid(NER, points)
  assert [run.grid_values for run in runs] == points
  assert len({run.digest for run in runs}) == len(runs)
  assert len({run.name for run in runs}) == len(runs)
  for run in runs:
    data = run.config.data
    assert (data.train_split, data.devel_split) == ('train', 'devel')
    assert (data.test_split, run.config.train.keep) == ('', 'last')
  assert runs[1].config.batch_size == 32
  assert plans.plan_grid(NER, [{}]) == []


def test_a_grid_needs_devel():
  with pytest.raises(InputError, match='devel_split is empty'):
    plans.plan_grid(GAD, plans.parse_grid('batch_size=8,16', GAD))


def test_the_best_trains_on_train_and_devel():
  point = {'batch_size': 16}
  runs = plans.plan_tests(NER, point, plans.parse_seeds('3', NER), [''])
  assert [run.config.seed for run in runs] == [0, 1, 2]
  for run in runs:
    data = run.config.data
    assert (data.train_split, data.devel_split) == ('train_dev', '')
    assert data.test_split == 'test'
    assert run.config.batch_size == 16
  config = plans.changed(NER, {'data.test_split': ''})
  with pytest.raises(InputError, match='test_split is empty'):
    plans.plan_tests(config, point, [0], [''])


def test_each_fold_is_a_run_of_each_seed():
  runs = plans.plan_tests(GAD, {}, [0, 1], ['1', '2'])
  assert [(run.fold, run.config.seed) for run in runs] == [
    *(('1', 0), ('1', 1)),
    *(('2', 0), ('2', 1)),
  ]
  assert len({run.digest for run in runs}) == 4
  assert runs[2].config.data.dir.endswith('gad/2')
  assert runs[2].config.data.train_split == 'train'


def test_a_digest_tells_what_decides_a_result():
  def digest(**changes):
    changes = {k.replace('__', '.'): v for k, v in changes.items()}
    (run,) = plans.plan_tests(plans.changed(NER, changes), {}, [0], [''])
    return run.digest

  assert digest() == digest(data__dir='elsewhere')
  assert digest() == digest(train__log_every_steps=1)
  assert digest() != digest(optim__learning_rate=2e-5)
  assert digest() != digest(train__epochs=3.0)

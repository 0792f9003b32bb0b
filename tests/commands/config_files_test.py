"""Configs by name and path, from any folder; typed overrides of their keys."""

import pathlib
import shutil
import subprocess
import sys

import pytest

from biobert_jax.commands import config_files
from biobert_jax.errors import InputError

ROOT = pathlib.Path(__file__).parents[2]


def load(given, *overrides):
  pairs = [tuple(text.split('=', 1)) for text in overrides]
  return config_files.load_config(given, pairs)


def test_every_config_is_found_by_name_from_any_folder(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  names = config_files.config_names()
  assert {'ner_ncbi_disease', 'quickstart'} <= set(names)
  for name in names:
    path = ROOT / 'configs' / f'{name}.py'
    for given in (name, f'{name}.py', f'configs/{name}.py', str(path)):
      assert config_files.find_config(given).resolve() == path


def test_a_config_of_the_current_folder_comes_first(tmp_path, monkeypatch):
  (tmp_path / 'configs').mkdir()
  own = tmp_path / 'configs' / 'quickstart.py'
  shutil.copy(ROOT / 'configs' / 'quickstart.py', own)
  own.write_text(own.read_text().replace('30.0', '3.0'))
  assert load('quickstart').train.epochs == 30.0
  monkeypatch.chdir(tmp_path)
  assert load('quickstart:base').train.epochs == 3.0
  assert load(str(ROOT / 'configs' / 'quickstart.py')).train.epochs == 30.0


@pytest.mark.parametrize('package', ['configs.common', '.common'])
def test_a_file_of_one_s_own_imports_the_shared_keys(package, tmp_path):
  mine = tmp_path / 'mine.py'
  mine.write_text(
    f'from {package} import ner\n'
    'def get_config(size="tiny"):\n'
    '  return ner.get_config(size, "folder").lock()\n'
  )
  assert load(str(mine)).data.dir == 'folder'
  assert 'configs.mine' not in sys.modules


def test_tilde(tmp_path, monkeypatch):
  shutil.copy(ROOT / 'configs' / 'quickstart.py', tmp_path / 'mine.py')
  monkeypatch.setenv('HOME', str(tmp_path))
  assert load('~/mine.py:tiny', 'data.dir=~/x').data.dir == f'{tmp_path}/x'


def test_shared_keys_are_found_without_the_repository_on_the_path(tmp_path):
  shutil.copy(ROOT / 'configs' / 'quickstart.py', tmp_path / 'mine.py')
  code = (
    f'import sys; sys.path.insert(0, {str(ROOT)!r})\n'
    'from biobert_jax.commands import config_files\n'
    'import biobert_jax.models.config, biobert_jax\n'
    'sys.path.pop(0)\n'
    "print(config_files.load_config('mine.py:tiny').train.epochs)\n"
  )
  child = subprocess.run(
    [sys.executable, '-I', '-c', code],
    cwd=tmp_path,
    capture_output=True,
    text=True,
  )
  assert child.stdout == '30.0\n', child.stderr


def test_overrides_keep_the_types():
  config = load(
    'quickstart:tiny',
    'optim.learning_rate=3e-5',
    'train.epochs=2',
    'train.steps=7',
    'batch_size=16',
    'data.strict=true',
    'vocab.do_lower_case=False',
    'data.devel_split=',
    'optim.name=lamb',
  )
  assert config.optim.learning_rate == 3e-5
  assert (config.train.epochs, config.train.steps) == (2.0, 7)
  assert isinstance(config.train.epochs, float)
  assert config.batch_size == 16
  assert config.data.strict is True
  assert config.vocab.do_lower_case is False
  assert (config.data.devel_split, config.optim.name) == ('', 'lamb')
  for text in ("('a', 'b')", '["a", "b"]', "'a','b'", 'a,b', 'a, b'):
    labels = load('re_gad', f'data.labels={text}').data.labels
    assert labels == ('a', 'b')


@pytest.mark.parametrize(
  ('given', 'overrides', 'message'),
  [
    ('ner_ncbi_diseas:base', (), 'no such config; did you mean ner_ncbi_dis'),
    ('configs/quikstart.py', (), 'no such config; did you mean quickstart'),
    ('zzz', (), 'no such config; choose from ner_bc2gm, '),
    ('quickstart:huge', (), "variant 'huge'; choose from"),
    (
      'quickstart',
      ('optim.learning_rat=1',),
      'no config key optim.learning_rat; did you mean '
      '--config.optim.learning_rate?',
    ),
    ('quickstart', ('learning_rate=1',), 'mean --config.optim.learning_rate?'),
    ('quickstart', ('optm.b1=1',), 'did you mean --config.optim.b1?'),
    ('quickstart', ('optim=1',), '--config.optim is a group of keys; set one'),
    ('quickstart', ('batch_size=many',), 'batch_size=many; give a whole numb'),
    ('quickstart', ('batch_size=1.5',), 'batch_size=1.5; give a whole number'),
    ('quickstart', ('optim.b1=x',), '--config.optim.b1=x; give a number'),
    ('quickstart', ('optim.b1=nan',), 'optim.b1=nan; give a number'),
    ('quickstart', ('data.strict=1',), 'data.strict=1; give true or false'),
    ('quickstart', ('data.dir=',), '--config.data.dir is empty (an unset var'),
    ('quickstart', ('init_from=',), '--config.init_from is empty'),
    ('quickstart', ('batch_size=',), '--config.batch_size is empty'),
  ],
)  # fmt: skip
def test_mistakes_name_the_nearest(given, overrides, message):
  with pytest.raises(InputError) as caught:
    load(given, *overrides)
  assert message in str(caught.value)
  assert '\n' not in str(caught.value)


def test_a_mistyped_path_of_a_key(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'biobert').mkdir()
  with pytest.raises(InputError, match='did you mean biobert'):
    load('quickstart', 'init_from=boibert')
  (tmp_path / 'my.py').write_text('')
  with pytest.raises(InputError, match=f'mean {tmp_path}/my.py'):
    load(f'{tmp_path}/me.py')


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('x = 1\n', 'mine.py: has no function get_config'),
    ('x = (\n', 'SyntaxError'),
    ('import no_such_module\n', 'mine.py: line 1: ModuleNotFoundError'),
    ('def get_config():\n  return {}["x"]\n', 'line 2: KeyError'),
  ],
)
def test_a_broken_config_is_one_line(text, message, tmp_path):
  path = tmp_path / 'mine.py'
  path.write_text(text)
  with pytest.raises(InputError, match=message) as caught:
    load(str(path))
  assert '\n' not in str(caught.value)

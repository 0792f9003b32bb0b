"""Configs by name and by path, from any folder, in a package or beside it."""

import pathlib
import shutil
import sys

import pytest

from biobert_jax import errors
from biobert_jax.commands import config_files

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.parametrize(
  'text', ['re_gad:tiny', 'configs/re_gad.py:tiny', 're_gad.py']
)
def test_an_experiment_is_found_by_name_from_any_folder(
  text, tmp_path, monkeypatch
):
  monkeypatch.chdir(tmp_path)
  assert config_files.load_config(text).task == 'relation'


def test_a_copy_elsewhere_finds_the_shared_keys(tmp_path):
  copy = shutil.copy(ROOT / 'configs' / 're_gad.py', tmp_path / 'mine.py')
  assert config_files.load_config(f'{copy}:base').task == 'relation'
  assert 'configs.mine' not in sys.modules


@pytest.mark.parametrize('package', ['configs.common', '.common'])
def test_a_file_of_one_s_own_imports_the_shared_keys(package, tmp_path):
  mine = tmp_path / 'mine.py'
  mine.write_text(
    f'from {package} import ner\n'
    'def get_config(size="tiny"):\n'
    '  return ner.get_config(size, "folder").lock()\n'
  )
  assert config_files.load_config(str(mine)).data.dir == 'folder'


def test_the_folder_lists_every_experiment():
  files = (ROOT / 'configs').glob('[a-z]*.py')
  assert config_files.config_names() == sorted(file.stem for file in files)


@pytest.mark.parametrize(
  ('text', 'says'),
  [
    ('re_gat:tiny', 'no such config; did you mean re_gad'),
    ('re_gad:huge', "re_gad:huge: variant 'huge'; choose from"),
  ],
)
def test_an_unknown_one_is_refused(text, says):
  with pytest.raises(errors.InputError, match=says):
    config_files.load_config(text)

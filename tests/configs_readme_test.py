"""configs/README.md: every experiment, every key with its default."""

import importlib
import pathlib
import re

import pytest

from biobert_jax.commands import config_files
from biobert_jax.training.experiment import flatten
from configs.common import base, ner, pretrain, qa, relation, yes_no

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / 'configs' / 'README.md').read_text()
ROWS = re.findall(r'^\| `([\w.]+)` \| (.+?) \| (.+) \|$', README, re.MULTILINE)
NAMES = sorted(p.stem for p in (ROOT / 'configs').glob('[a-z]*.py'))
# The defaults of a key are those of the first that has it.
DEFAULTS = [
  base.get_config('base'),
  *(module.get_config('base', '') for module in (ner, relation, qa, yes_no)),
  pretrain.get_config('base', 1_000_000),
]


def module(name):
  return importlib.import_module(f'configs.{name}')


def test_every_experiment_stands_in_it():
  assert sorted(name for name, *_ in ROWS if name in NAMES) == NAMES


@pytest.mark.parametrize('row', [row for row in ROWS if row[0] in NAMES])
def test_the_published_scores_are_those_of_the_docstring(row):
  name, _, published = row
  doc = module(name).__doc__
  for score in re.findall(r'\d+\.\d+', published):
    assert score in doc
  config = module(name).get_config('base')
  for steps in re.findall(r'\d+,\d{3},?\d*', published):
    assert config.train.steps == int(steps.replace(',', ''))


def test_every_key_stands_in_it_once():
  written = sorted(name for name, *_ in ROWS if name not in NAMES)
  keys = {k for name in NAMES for k in flatten(module(name).get_config('base'))}
  assert written == sorted(keys)


def text_of(value):
  if isinstance(value, tuple):
    return ', '.join(value) or '()'
  return 'unset' if value is None else str(value)


@pytest.mark.parametrize('row', [row for row in ROWS if row[0] not in NAMES])
def test_its_defaults_are_those_of_the_code(row):
  key, default, _ = row
  if default == 'set':
    return
  value = next(flat[key] for flat in map(flatten, DEFAULTS) if key in flat)
  written = re.sub(r'[`\\]', '', default)
  if ' to ' in written:  # The first and the last of a tuple.
    assert written.split(' to ') == [value[0], value[-1]]
  else:
    assert written == text_of(value)


def test_its_own_experiment_loads(tmp_path):
  (example,) = re.findall(r'```python\n(.*?)```', README, re.DOTALL)
  path = tmp_path / 'my_corpus.py'
  path.write_text(example)
  config = config_files.load_config(f'{path}:base', [])
  assert config.data.entity_type == 'Gene'
  assert config.train.epochs == 10.0

"""The examples of biobert_jax/README.md run, on random models."""

import dataclasses
import pathlib
import re

import pytest

from biobert_jax.checkpoints import import_weights
from tests.fixtures import small_predictors

ROOT = pathlib.Path(__file__).parents[2]
README = (ROOT / 'biobert_jax' / 'README.md').read_text('utf-8')
BLOCKS = re.findall(r'```python\n(.*?)```', README, re.DOTALL)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  folder = tmp_path_factory.mktemp('readme')
  (folder / 'abstracts.txt').write_text('A case of gout.\nNo entity.\n')
  labels = ('B-Disease', 'O', 'I-Disease')
  for name, model in {
    'ncbi': small_predictors.write(folder / 'a', 'token', labels),
    'gad': small_predictors.relation(folder / 'b'),
    'squad': small_predictors.write(folder / 'c', 'span'),
    'pubmedqa': small_predictors.yes_no(folder / 'd'),
  }.items():
    import_weights.import_weights(
      dataclasses.replace(model, about={}), str(folder / 'runs' / name)
    )
  return folder


@pytest.mark.parametrize('block', BLOCKS, ids=range(len(BLOCKS)))
def test_an_example_runs(block, folder, monkeypatch):
  monkeypatch.chdir(folder)
  exec(block, {})  # noqa: S102  # The test's subject.


def test_paths_exist():
  for path in re.findall(r'\]\(([^)#]+)\)', README):
    assert (ROOT / 'biobert_jax' / path).exists(), path


def test_the_table_of_rooms_is_that_of_the_law():
  law = (ROOT / 'tests' / 'import_rules_test.py').read_text('utf-8')
  rooms = dict(re.findall(r"^  '(\w+)': '([a-z ]*)',$", law, re.MULTILINE))
  assert len(rooms) > 10
  stated = dict(
    re.findall(r'^\| \[(\w+)/\].*\| ([a-z, ]*) ?\|$', README, re.MULTILINE)
  )
  for room, may in rooms.items():
    if room != 'commands':
      assert set(stated[room].replace(',', ' ').split()) == set(may.split())

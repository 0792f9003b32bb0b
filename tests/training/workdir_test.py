"""The record in a work folder: the same experiment may resume, no other.

Also covered by training/experiment_test.py and fault_injection/folder_test.py.
"""

import dataclasses
import json

import pytest
from etils import epath

from biobert_jax.errors import InputError
from biobert_jax.training import experiment, workdir
from tests.fixtures import small_run


@pytest.fixture(scope='module')
def made():
  return experiment.from_config(small_run.config())


@pytest.fixture
def folder(made, tmp_path):
  found = epath.Path(tmp_path / 'run')
  workdir.save_experiment(made, found)
  return found


def changed(made, **keys):
  """The same experiment by a config with other values."""
  return dataclasses.replace(made, config=small_run.config(**keys))


def test_what_is_written_is_read_again(made, folder):
  record = workdir.read_record(folder)
  assert record['labels'] == list(made.labels)
  # Zero too: that nothing of the test set is in train is a figure.
  assert 'test_sentences_also_in_train' in record['counts']
  again = workdir.from_workdir(folder, {'data.max_broken': 0.5})
  assert again.bert == made.bert
  assert again.labels == made.labels
  assert again.tokenizer.pieces == made.tokenizer.pieces
  assert again.config.data.max_broken == 0.5
  assert again.corpus is None


def test_only_the_same_experiment_passes(made, folder):
  assert workdir.is_same_experiment(made, folder)
  shown = changed(made, train__log_every_steps=50, mesh__strategy='fsdp')
  assert workdir.is_same_experiment(shown, folder)
  with pytest.raises(InputError, match='seed: 0 there, 9 now'):
    workdir.is_same_experiment(changed(made, seed=9), folder)
  labels = dataclasses.replace(made, labels=('O', 'B'))
  with pytest.raises(InputError, match='labels: '):
    workdir.is_same_experiment(labels, folder)


def test_checking_writes_nothing(made, tmp_path):
  with pytest.raises(InputError, match='config.json: no such file; --workdir'):
    workdir.is_same_experiment(made, epath.Path(tmp_path))
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('text', ['{', '[]', json.dumps({'config': {}})])
def test_a_file_that_is_not_ours(folder, text):
  (folder / 'config.json').write_text(text)
  with pytest.raises(InputError, match=r'config.json: .*biobert-jax train'):
    workdir.read_record(folder)


def test_a_work_folder_is_a_path_or_lies_in_a_bucket(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  assert workdir.folder_of('run') == tmp_path / 'run'
  assert str(workdir.folder_of('gs://bucket/run')) == 'gs://bucket/run'
  with pytest.raises(InputError, match='supported are local paths and gs:'):
    workdir.folder_of('s3://bucket/run')

"""The last run that was started writes; the one before it stops."""

import json

import pytest
from etils import epath

from biobert_jax.errors import EXIT_BAD_INPUT, InputError, TakenOverError
from biobert_jax.training.checkpointing.workdir_lease import LEASE_FILE, Lease


@pytest.fixture
def folder(tmp_path):
  return epath.Path(tmp_path)


def test_the_last_to_start_wins(folder):
  first = Lease.take(folder)
  first.check()
  first.check_together()
  second = Lease.take(folder)
  for check in (first.check, first.check_together):
    with pytest.raises(TakenOverError, match='another run .process'):
      check()
  second.check()
  second.check_together()
  third = Lease.take(folder)
  for loser in (first, second):
    with pytest.raises(TakenOverError):
      loser.check()
  third.check()


def test_nobody_relaunches_the_loser():
  assert TakenOverError.exit_code == EXIT_BAD_INPUT


@pytest.mark.parametrize('text', [None, '', '{', '[]', '{"token": 7}'])
def test_a_lease_that_cannot_be_read_is_lost(folder, text):
  lease = Lease.take(folder)
  if text is None:
    (folder / LEASE_FILE).unlink()
  else:
    (folder / LEASE_FILE).write_text(text)
  with pytest.raises(TakenOverError, match='writer.json'):
    lease.check()
  # And nothing has to be cleaned up.
  Lease.take(folder).check()


def test_it_says_who_and_leaves_nothing_aside(folder):
  Lease.take(folder)
  record = json.loads((folder / LEASE_FILE).read_text())
  assert {'token', 'host', 'pid', 'since'} == record.keys()
  assert len(record['token']) == 32
  assert [p.name for p in folder.iterdir()] == [LEASE_FILE]


def test_a_folder_that_cannot_be_written(folder):
  with pytest.raises(InputError, match='No such file'):
    Lease.take(folder / 'absent')

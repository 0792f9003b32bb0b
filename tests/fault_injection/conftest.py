"""What the tests of faults share: a run that nothing befell."""

import dataclasses
import os
import pathlib
import shutil

import pytest

from biobert_jax.training import train
from tests.fault_injection import children
from tests.fixtures import small_run


@pytest.fixture(scope='session')
def cache() -> pathlib.Path:
  """Programs that this session has compiled; see tests/conftest.py."""
  return pathlib.Path(os.environ['JAX_COMPILATION_CACHE_DIR'])


@pytest.fixture(scope='session')
def whole(tmp_path_factory) -> pathlib.Path:
  """The work folder of an unbroken run, one process with all devices."""
  folder = tmp_path_factory.mktemp('whole') / 'run'
  config = small_run.config(train__keep_checkpoints=4)
  train.train(config, str(folder))
  # As if it had been killed before its report: it is not finished.
  (folder / 'results.json').unlink()
  return folder


@dataclasses.dataclass(frozen=True)
class Stopped:
  """A run of `whole` as it lay when it had taken half of its steps.

  Attributes:
    folder: its work folder.
    losses: of the unbroken run, step -> loss.
  """

  folder: pathlib.Path
  losses: dict[int, float]

  def copy_to(self, folder: pathlib.Path) -> None:
    """A folder of its own for a run that goes on."""
    shutil.copytree(self.folder, folder)

  def was_continued(self, folder: pathlib.Path, said: str) -> None:
    """Asserts that a job took the state, to the bit, and the next step."""
    assert 'resumed at step 6 of 12' in said
    # A state with other bits would not have been taken.
    assert 'is damaged' not in said
    losses = children.losses_of(folder)
    assert losses[7] == pytest.approx(self.losses[7], rel=1e-6)
    # Further on, sums over another number of devices tell in the last bits.
    for step in range(8, max(losses) + 1):
      assert losses[step] == pytest.approx(self.losses[step], rel=1e-4)


@pytest.fixture(scope='session')
def whole_at_middle(whole, tmp_path_factory) -> Stopped:
  """The unbroken run without what came after the sixth step."""
  folder = tmp_path_factory.mktemp('stopped') / 'run'
  step = children.MIDDLE
  shutil.copytree(whole, folder)
  for path in (folder / 'checkpoints').iterdir():
    if path.name.isdecimal() and int(path.name) > step:
      shutil.rmtree(path)
  return Stopped(folder, children.losses_of(whole))

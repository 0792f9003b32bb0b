"""Damage in saved trees of arrays, of any kind of tree."""

import pathlib

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest
from etils import epath

from biobert_jax.checkpoints import integrity
from biobert_jax.errors import DivergedError, InputError

TREE = {'a': {'kernel': np.arange(6, dtype=np.float32)}, 'b': np.ones(3)}


def save(folder: epath.Path, step: int, tree: object = TREE) -> None:
  with ocp.Checkpointer(ocp.StandardCheckpointHandler()) as writer:
    place = folder / str(step) / integrity.STATE
    writer.save(place, args=ocp.args.StandardSave(tree))
  with ocp.Checkpointer(ocp.JsonCheckpointHandler()) as writer:
    record = integrity.integrity_record(step, TREE)
    place = folder / str(step) / integrity.GUARD
    writer.save(place, args=ocp.args.JsonSave(record))


def read(folder: epath.Path, step: int) -> tuple[object, str]:
  device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
  shardings = jax.tree.map(lambda _: device, TREE)
  target = integrity.restore_targets(TREE, shardings)
  return integrity.read_step(folder, step, target)


def test_the_newest_whole_step_is_found(tmp_path: pathlib.Path) -> None:
  folder = epath.Path(tmp_path) / 'checkpoints'
  for step in (1, 2):
    save(folder, step)
  save(folder, 3, TREE | {'b': np.zeros(3)})
  tree, damaged = integrity.newest_whole(
    (1, 2, 3, 4), lambda step: read(folder, step), folder
  )
  jax.tree.map(np.testing.assert_array_equal, tree, TREE)
  assert damaged == [4, 3]
  integrity.set_aside(folder, [3])
  assert not (folder / '3').exists()
  assert (folder.parent / integrity.DAMAGED_FOLDER / '3').exists()


def test_no_step_is_whole(tmp_path: pathlib.Path) -> None:
  folder = epath.Path(tmp_path)
  save(folder, 3, TREE | {'b': np.zeros(3)})
  with pytest.raises(InputError, match='step 3: b differs from its finger'):
    integrity.newest_whole((3,), lambda step: read(folder, step), folder)


def test_numbers_that_are_not_finite_are_not_recorded() -> None:
  tree = TREE | {'b': np.asarray([1, np.nan, np.inf], np.float32)}
  with pytest.raises(DivergedError, match='2 numbers of b are not finite'):
    integrity.integrity_record(7, tree)

"""What a run left in `checkpoints/`, read as it lies on the disk."""

import json
import pathlib

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath


def leaves_of(folder: pathlib.Path, step: int) -> list[np.ndarray]:
  """The numbers of a saved state, in a fixed order."""
  path = epath.Path(folder) / f'checkpoints/{step}/state'
  handler = ocp.PyTreeCheckpointHandler()
  as_numpy = jax.tree.map(
    lambda _: ocp.RestoreArgs(restore_type=np.ndarray),
    dict(handler.metadata(path).tree),
  )
  arguments = ocp.args.PyTreeRestore(restore_args=as_numpy)
  return jax.tree.leaves(handler.restore(path, args=arguments))


def fingerprints_of(folder: pathlib.Path, step: int) -> dict[str, str]:
  """The checksum of each array of a saved state, as the run computed it."""
  path = pathlib.Path(folder, 'checkpoints', str(step), 'guard', 'metadata')
  record = json.loads(path.read_text())
  assert record['step'] == step
  return record['fingerprints']


def steps_of(folder: pathlib.Path) -> list[int]:
  """The steps that are saved, whether or not they are whole."""
  found = pathlib.Path(folder, 'checkpoints').iterdir()
  return sorted(int(p.name) for p in found if p.name.isdecimal())


def committed_at(folder: pathlib.Path, step: int) -> float:
  """When a saved step got its name; seconds since 1970."""
  return pathlib.Path(folder, 'checkpoints', str(step)).stat().st_ctime

"""Checkpoints by Orbax: the latest states to resume from, and the best.

Under a work folder, `checkpoints/STEP/` hold whole states and `best/STEP/`
the parameters that scored highest on devel, with their score. Orbax writes
each aside and renames it when complete.
"""

import logging
import math
import os
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath

from biobert_jax.errors import InputError
from biobert_jax.training.fingerprint import fingerprints
from biobert_jax.training.state import TrainState


class _Manager(ocp.CheckpointManager):
  """Orbax's, but deaf to preemption, which the loop listens for.

  Both would count on the same sync point, by other numbers, and miss it.
  """

  def reached_preemption(self, step: int) -> bool:
    """Never."""
    del step
    return False


def _manager(folder: epath.Path, keep: int) -> Any:
  options = ocp.CheckpointManagerOptions(max_to_keep=keep, create=True)
  return _Manager(folder, options=options)


def _targets(abstract: Any, shardings: Any) -> Any:
  """What to restore: shapes, and where each piece is to lie."""
  return jax.tree.map(
    lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s),
    abstract,
    shardings,
  )


class Checkpoints:
  """The checkpoints of one work folder."""

  def __init__(self, workdir: epath.Path, keep: int):
    """Opens or creates them.

    Args:
      workdir: absolute path of the work folder.
      keep: how many of the latest states stay.
    """
    self._latest = _manager(workdir / 'checkpoints', keep)
    self._best = _manager(workdir / 'best', 1)
    self._best_score: float | None = None

  @property
  def latest_step(self) -> int | None:
    """The step to resume from, or None."""
    step: int | None = self._latest.latest_step()
    return step

  def save(self, state: TrainState) -> None:
    """Saves a whole state in the background, unless it is there already."""
    step = int(state.step)
    if step in self._latest.all_steps():
      return
    # Nothing later may be on disk before the best that was found earlier:
    # a killed run would go on without it.
    self._best.wait_until_finished()
    saved = self._latest.save(step, args=ocp.args.StandardSave(state))
    if not saved:
      raise InputError(
        f'checkpoint of step {step} was refused: a later step '
        f'({self._latest.latest_step()}) lies in the work folder; '
        'use another --workdir'
      )

  def restore(self, abstract: TrainState, shardings: TrainState) -> TrainState:
    """The latest state, laid out as `shardings` say, on any mesh."""
    step = self._latest.latest_step()
    target = _targets(abstract, shardings)
    state: TrainState = self._latest.restore(
      step, args=ocp.args.StandardRestore(target)
    )
    return state

  def best_score(self) -> float:
    """The best score so far; minus infinity before the first."""
    if self._best_score is None:
      self._best_score = self._read_best_score()
    return self._best_score

  def _read_best_score(self) -> float:
    step = self._best.latest_step()
    if step is None:
      return -math.inf
    restored = self._best.restore(
      step, args=ocp.args.Composite(score=ocp.args.JsonRestore())
    )
    return float(restored['score']['score'])

  def save_best(self, step: int, params: Any, score: float) -> None:
    """Replaces the best parameters."""
    if step in self._best.all_steps():
      return
    saved = self._best.save(
      step,
      args=ocp.args.Composite(
        params=ocp.args.StandardSave(params),
        score=ocp.args.JsonSave(
          {'score': score, 'fingerprints': fingerprints(params)}
        ),
      ),
    )
    if not saved:
      raise InputError(
        f'{self._best.directory}: refused step {step} after '
        f'{self._best.latest_step()}; use another --workdir'
      )
    self._best_score = score

  def restore_best(self, abstract_params: Any, shardings: Any) -> Any:
    """The best parameters.

    Raises:
      InputError: nothing was trained in this folder yet.
    """
    self._best.wait_until_finished()
    step = self._best.latest_step()
    if step is None:
      raise InputError(
        f'{self._best.directory}: holds no parameters; train first'
      )
    target = _targets(abstract_params, shardings)
    restored = self._best.restore(
      step,
      args=ocp.args.Composite(
        params=ocp.args.StandardRestore(target), score=ocp.args.JsonRestore()
      ),
    )
    _compare(restored['params'], restored['score'], self._best.directory)
    return restored['params']

  @property
  def best_step(self) -> int:
    """The step of the best parameters; -1 before the first."""
    step: int | None = self._best.latest_step()
    return -1 if step is None else step

  def close(self) -> None:
    """Waits until everything is written."""
    for manager in (self._latest, self._best):
      manager.wait_until_finished()
      manager.close()


def write_params(folder: str | os.PathLike[str], params: Any) -> None:
  """Writes parameters alone into a new folder.

  Args:
    folder: where.
    params: a tree of arrays.
  """
  # A file an array: to merge them all into one takes twice their memory.
  # Orbax warns that it has nothing to merge.
  log = logging.getLogger('absl')
  log.addFilter(_is_news)
  try:
    with ocp.Checkpointer(
      ocp.PyTreeCheckpointHandler(use_ocdbt=False)
    ) as writer:
      writer.save(
        epath.Path(folder).resolve(), args=ocp.args.PyTreeSave(params)
      )
  finally:
    log.removeFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
  return 'Skipping merge of OCDBT' not in str(record.msg)


def read_params(folder: str | os.PathLike[str]) -> Any:
  """Reads parameters to the host, whatever mesh wrote them.

  Args:
    folder: that of `write_params`, or the folder `best` of a work folder.

  Returns:
    The tree that was saved, as NumPy arrays.

  Raises:
    InputError: nothing was written there, or it is damaged.
  """
  path = epath.Path(folder).resolve()
  if not (path / '_METADATA').exists():
    steps = [p.name for p in path.glob('*') if p.name.isdecimal()]
    if not steps:
      raise InputError(f'{path}: holds no parameters; train first')
    path = path / max(steps, key=int) / 'params'
  try:
    with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as reader:
      tree = dict(ocp.PyTreeCheckpointHandler().metadata(path).tree)
      as_numpy = jax.tree.map(
        lambda _: ocp.RestoreArgs(restore_type=np.ndarray), tree
      )
      params = reader.restore(
        path, args=ocp.args.PyTreeRestore(restore_args=as_numpy)
      )
    score = path.parent / 'score'
    stored: dict[str, Any] = {}
    if path.name == 'params' and score.exists():
      with ocp.Checkpointer(ocp.JsonCheckpointHandler()) as reader:
        stored = reader.restore(score)
  except (OSError, ValueError, KeyError) as error:
    reason = ' '.join(str(error).split())[:200]
    raise InputError(f'{path}: damaged ({reason}); copy it again') from error
  _compare(params, stored, path)
  return params


def _compare(params: Any, stored: dict[str, Any], path: epath.Path) -> None:
  """Compares parameters with the fingerprints that were saved with them.

  Raises:
    InputError: names the parameter that differs.
  """
  expected = stored.get('fingerprints')
  if expected is None:  # Of a run before fingerprints were kept.
    return
  for name, found in fingerprints(params).items():
    if expected.get(name) != found:
      raise InputError(
        f'{path}: {name} differs from its fingerprint; the files are damaged, '
        'copy them again'
      )

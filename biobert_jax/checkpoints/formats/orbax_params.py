"""Parameters alone in a folder, as exports and `best` hold them."""

import logging
import os
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath

from biobert_jax.checkpoints.formats.array_checksums import fingerprints
from biobert_jax.checkpoints.formats.orbax_logging import quieten_orbax
from biobert_jax.errors import InputError


def write_params(folder: str | os.PathLike[str], params: Any) -> None:
  """Writes a tree of parameters alone into a new folder."""
  quieten_orbax()
  # A file an array: to merge them all into one takes twice their memory.
  # Orbax warns that it has nothing to merge.
  log = logging.getLogger('absl')
  log.addFilter(_is_news)
  handler = ocp.PyTreeCheckpointHandler(use_ocdbt=False)
  target = epath.Path(folder).resolve()
  try:
    with ocp.Checkpointer(handler) as writer:
      writer.save(target, args=ocp.args.PyTreeSave(params))
  finally:
    log.removeFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
  return 'Skipping merge of OCDBT' not in str(record.msg)


def read_params(folder: str | os.PathLike[str]) -> Any:
  """Reads parameters to the host, from a `write_params` or a `best` folder."""
  path = epath.Path(folder).resolve()
  if not (path / '_METADATA').exists():
    steps = [p.name for p in path.glob('*') if p.name.isdecimal()]
    if not steps:
      raise InputError(f'{path}: holds no parameters; train first')
    path = path / max(steps, key=int) / 'params'
  return read_tree(path, path.parent / 'score')


def read_tree(path: epath.Path, record: epath.Path, part: str = '') -> Any:
  """Reads a tree of arrays to the host, and compares it with its record.

  `record` may be missing. With `part`, only that key of the tree is read.
  """
  whole = path.resolve()  # Orbax takes no other path.
  try:
    tree = dict(ocp.PyTreeCheckpointHandler().metadata(whole).tree)
    tree = {part: tree[part]} if part else tree
    numpy = ocp.RestoreArgs(restore_type=np.ndarray)
    as_numpy = jax.tree.map(lambda _: numpy, tree)
    wanted = ocp.args.PyTreeRestore(
      item=tree if part else None,
      restore_args=as_numpy,
      partial_restore=bool(part),
    )
    # The handlers alone: a checkpointer waits until all hosts have read.
    tree = ocp.PyTreeCheckpointHandler().restore(whole, args=wanted)
    stored: dict[str, Any] = {}
    if record.exists():
      stored = ocp.JsonCheckpointHandler().restore(record.resolve())
  except (OSError, ValueError, KeyError) as error:
    reason = ' '.join(str(error).split())[:200]
    raise InputError(f'{path}: damaged ({reason}); copy it again') from error
  if str(stored.get('step', path.parent.name)) != path.parent.name:
    why = f'its record is of step {stored["step"]}'
    raise InputError(f'{path}: {why}; copy it again')
  compare(tree, stored, path)
  return tree


def compare(params: Any, stored: dict[str, Any], path: epath.Path) -> None:
  """Refuses parameters that differ from the fingerprints saved with them."""
  expected = stored.get('fingerprints')
  if expected is None:  # Of a run before fingerprints were kept.
    return
  for name, found in fingerprints(params).items():
    if expected.get(name) != found:
      what = f'{path}: {name} differs from its fingerprint'
      raise InputError(f'{what}; the files are damaged, copy them again')

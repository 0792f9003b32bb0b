"""Hugging Face tensors <-> our parameters, by one name table.

Hugging Face keeps dense kernels as [out, in]; ours are [in, out], as in TF.
"""

import dataclasses
import json
import pathlib
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from biobert_jax.errors import InputError
from biobert_jax.models.config import BertConfig

WEIGHTS_FILE = 'model.safetensors'

# Ours (below the encoder) -> Hugging Face's (without `bert.`), for one layer.
_LAYER_PARTS = (
  'attention/self/query',
  'attention/self/key',
  'attention/self/value',
  'attention/output/dense',
  'attention/output/LayerNorm',
  'intermediate/dense',
  'output/dense',
  'output/LayerNorm',
)
_LEAVES = {'kernel': 'weight', 'scale': 'weight', 'bias': 'bias'}
_EMBEDDINGS = ('word', 'position', 'token_type')
# A task's own layer; only such may be missing from a checkpoint.
HEADS = ('classifier/kernel', 'classifier/bias')


def name_table(num_hidden_layers: int) -> dict[str, str]:
  """Our paths (layers unrolled) -> Hugging Face's names with `bert.`.

  Args:
    num_hidden_layers: N.

  Returns:
    The table of encoder, pooler and token classifier.
  """
  table = {}
  for kind in _EMBEDDINGS:
    name = f'{kind}_embeddings'
    table[f'bert/embeddings/{name}'] = f'bert.embeddings.{name}.weight'
  parts = [('embeddings/LayerNorm', ('scale', 'bias'))]
  for i in range(num_hidden_layers):
    for part in _LAYER_PARTS:
      leaf = 'scale' if part.endswith('LayerNorm') else 'kernel'
      parts.append((f'encoder/layer_{i}/{part}', (leaf, 'bias')))
  parts.append(('pooler/dense', ('kernel', 'bias')))
  for part, leaves in parts:
    theirs = part.replace('layer_', 'layer.').replace('/', '.')
    for leaf in leaves:
      table[f'bert/{part}/{leaf}'] = f'bert.{theirs}.{_LEAVES[leaf]}'
  for head in HEADS:
    module, leaf = head.split('/')
    table[head] = f'{module}.{_LEAVES[leaf]}'
  return table


@dataclasses.dataclass(frozen=True)
class LoadReport:
  """What became of every tensor.

  Attributes:
    loaded: our paths that came from the checkpoint.
    new: our paths left at their random start (heads only).
    unused: the checkpoint's tensors that nothing of ours takes.
  """

  loaded: tuple[str, ...]
  new: tuple[str, ...]
  unused: tuple[str, ...]

  def __str__(self) -> str:
    lines = [
      f'{len(self.loaded)} tensors loaded, {len(self.new)} new, '
      f'{len(self.unused)} of the checkpoint unused'
    ]
    lines += [f'  new: {name}' for name in self.new]
    lines += [f'  unused: {name}' for name in self.unused]
    return '\n'.join(lines)


def labels_of(directory: pathlib.Path) -> tuple[str, ...] | None:
  """The label names of a checkpoint's head, in the order of their ids."""
  stored = json.loads((directory / 'config.json').read_text('utf-8'))
  by_id = stored.get('id2label')
  if not isinstance(by_id, dict):
    return None
  return tuple(by_id[key] for key in sorted(by_id, key=int))


def load(
  directory: str | pathlib.Path,
  config: BertConfig,
  shapes: dict[str, tuple[int, ...]],
  labels: tuple[str, ...] = (),
) -> tuple[dict[str, np.ndarray], LoadReport]:
  """Reads parameters from `model.safetensors`.

  Args:
    directory: a Hugging Face model folder; names may have the prefix
      `bert.` or not.
    config: the architecture, read from the same folder.
    shapes: path -> shape of the parameters wanted, layers unrolled.
    labels: names of the head's classes; a stored head is taken only when
      its `id2label` names the same, in the same order.

  Returns:
    path -> float32 array, and the report.

  Raises:
    InputError: no file, a damaged file, a missing or mis-shaped tensor.
  """
  directory = pathlib.Path(directory)
  path = directory / WEIGHTS_FILE
  if not path.exists():
    found = sorted(p.name for p in directory.glob('*'))[:12]
    raise InputError(
      f'{path}: no such file; init_from takes a Hugging Face folder with '
      f'{WEIGHTS_FILE} (the folder holds: {", ".join(found) or "nothing"})'
    )
  same_head = labels_of(directory) == labels
  try:
    with safe_open(path, framework='np') as tensors:
      return _load(tensors, path, config, shapes, same_head)
  except SafetensorError as error:
    raise InputError(f'{path}: damaged ({error}); copy it again') from error


def _load(
  tensors: Any,
  path: pathlib.Path,
  config: BertConfig,
  shapes: dict[str, tuple[int, ...]],
  same_head: bool,
) -> tuple[dict[str, np.ndarray], LoadReport]:
  stored = {_canonical(name): name for name in tensors.keys()}  # noqa: SIM118
  table = name_table(config.num_hidden_layers)
  params, missing, new, wrong = {}, [], [], []
  for ours, shape in shapes.items():
    name = stored.get(table[ours])
    if name is None or (ours in HEADS and not same_head):
      (new if ours in HEADS else missing).append(ours)
      continue
    array = tensors.get_tensor(name).astype(np.float32)
    if ours.endswith('/kernel'):
      array = array.T
    if array.shape != shape:
      wrong.append(f'{name} is {array.shape}, {ours} is {shape}')
    params[ours] = array
  if missing or wrong:
    raise InputError(
      f'{path}: not the weights of this architecture; '
      + '; '.join([f'missing {table[m]}' for m in missing[:8]] + wrong[:8])
    )
  taken = {stored[table[ours]] for ours in params}
  unused = tuple(sorted(set(stored.values()) - taken))
  return params, LoadReport(tuple(params), tuple(new), unused)


def _canonical(name: str) -> str:
  """A stored name in today's spelling, with the `bert.` prefix."""
  name = name.replace('LayerNorm.gamma', 'LayerNorm.weight')
  name = name.replace('LayerNorm.beta', 'LayerNorm.bias')
  if name.split('.')[0] in ('embeddings', 'encoder', 'pooler'):
    return f'bert.{name}'
  return name

"""Hugging Face tensors <-> our parameters, by one name table.

Hugging Face keeps dense kernels as [out, in]; ours are [in, out], as in TF.
"""

import dataclasses
import json
import pathlib
from collections import Counter
from typing import Any

# Teaches NumPy the name bfloat16, without which safetensors cannot give it.
import ml_dtypes  # noqa: F401
import numpy as np
from safetensors import SafetensorError, safe_open

from biobert_jax.errors import InputError
from biobert_jax.models.config import BertConfig

WEIGHTS_FILE = 'model.safetensors'
_INDEX_FILE = WEIGHTS_FILE + '.index.json'
# safetensors' names of what weights are stored as; others (I8, F8_E4M3, ...)
# are quantised and mean nothing without their scales.
_STORED_TYPES = ('F64', 'F32', 'F16', 'BF16')
_SHOWN = 8  # Tensors that one error lists.

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
_LAYERS = 'bert.encoder.layer.'
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
  """The label names of a checkpoint's head, in the order of their ids.

  Args:
    directory: a Hugging Face model folder.

  Returns:
    The names; None where `config.json` is absent or numbers no labels.

  Raises:
    InputError: the file is damaged.
  """
  path = directory / 'config.json'
  if not path.exists():
    return None
  try:
    by_id = json.loads(path.read_text('utf-8')).get('id2label')
  except (ValueError, AttributeError) as error:
    raise InputError(
      f'{path}: not a JSON object ({error}); copy it again'
    ) from error
  if not isinstance(by_id, dict) or not all(k.isdecimal() for k in by_id):
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
  if not path.is_file():
    raise _no_weights(directory)
  same_head = labels_of(directory) == labels
  try:
    with safe_open(path, framework='np') as tensors:
      return _load(tensors, path, config, shapes, same_head)
  except SafetensorError as error:
    raise InputError(f'{path}: damaged ({error}); copy it again') from error
  except OSError as error:
    raise InputError(f'{path}: cannot be read ({error})') from error


def _no_weights(directory: pathlib.Path) -> InputError:
  """Says what a folder without `model.safetensors` needs."""
  index = directory / _INDEX_FILE
  if index.exists():
    return InputError(
      f'{index}: weights in several files are not read; join them with '
      "transformers: model.save_pretrained(DIR, max_shard_size='100GB')"
    )
  found = sorted(p.name for p in directory.glob('*'))[:12]
  return InputError(
    f'{directory / WEIGHTS_FILE}: no such file; init_from takes a Hugging '
    f'Face folder with {WEIGHTS_FILE}, as save_pretrained of transformers '
    f'writes it (the folder holds: {", ".join(found) or "nothing"})'
  )


def _load(
  tensors: Any,
  path: pathlib.Path,
  config: BertConfig,
  shapes: dict[str, tuple[int, ...]],
  same_head: bool,
) -> tuple[dict[str, np.ndarray], LoadReport]:
  stored = _stored_names(list(tensors.keys()), path)
  table = name_table(config.num_hidden_layers)
  params: dict[str, np.ndarray] = {}
  missing: list[str] = []
  new: list[str] = []
  wrong: list[str] = []
  for ours, shape in shapes.items():
    name = stored.get(table[ours])
    if name is None or (ours in HEADS and not same_head):
      (new if ours in HEADS else missing).append(ours)
      continue
    is_kernel = ours.endswith('/kernel')
    expected = shape[::-1] if is_kernel else shape
    found = tensors.get_slice(name)
    if tuple(found.get_shape()) != expected:
      wrong.append(f'{name} is {tuple(found.get_shape())}, not {expected}')
    elif found.get_dtype() not in _STORED_TYPES:
      wrong.append(f'{name} is stored as {found.get_dtype()}, not as floats')
    else:
      array = tensors.get_tensor(name).astype(np.float32)
      params[ours] = array.T if is_kernel else array
  faults = [f'missing {table[m]}' for m in missing] + wrong
  if faults:
    more = len(faults) - _SHOWN
    raise InputError(
      f'{path}: not the weights of this architecture; use the config.json '
      'that came with them; '
      + '; '.join(faults[:_SHOWN])
      + (f'; and {more} more' if more > 0 else '')
    )
  known = set(table.values())
  deeper = [n for n in stored if n.startswith(_LAYERS) and n not in known]
  if deeper:
    raise InputError(
      f'{path}: holds {deeper[0]}, which a model of '
      f'{config.num_hidden_layers} layers lacks; use the config.json that '
      'came with the weights'
    )
  taken = {stored[table[ours]] for ours in params}
  unused = tuple(sorted(set(stored.values()) - taken))
  return params, LoadReport(tuple(params), tuple(new), unused)


def _stored_names(names: list[str], path: pathlib.Path) -> dict[str, str]:
  """Canonical name -> stored name."""
  twice = [n for n, c in Counter(map(_canonical, names)).items() if c > 1]
  if twice:
    raise InputError(
      f'{path}: holds {twice[0]} in two spellings (with and without "bert.", '
      'or gamma/beta and weight/bias); keep one of each'
    )
  return {_canonical(name): name for name in names}


def _canonical(name: str) -> str:
  """A stored name in today's spelling, with the `bert.` prefix."""
  name = name.replace('LayerNorm.gamma', 'LayerNorm.weight')
  name = name.replace('LayerNorm.beta', 'LayerNorm.bias')
  if name.split('.')[0] in ('embeddings', 'encoder', 'pooler'):
    return f'bert.{name}'
  return name

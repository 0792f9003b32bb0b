"""The tensors that a model takes from a checkpoint, and its new ones."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from biobert_jax.checkpoints import name_map
from biobert_jax.errors import InputError


class LoadReport(NamedTuple):
  """The fate of every tensor of a run's first weights, by our paths."""

  loaded: tuple[str, ...]
  new: tuple[str, ...]  # Left at their random start: heads only.
  unused: tuple[str, ...]  # The checkpoint's, which the model lacks.
  skipped: Counter[str]  # Kinds of tensors that are not parameters.

  def __str__(self) -> str:
    lines = [
      f'{len(self.loaded)} tensors loaded, {len(self.new)} new, '
      f'{len(self.unused)} of the checkpoint unused'
    ]
    lines += [f'  new: {name}' for name in self.new]
    lines += [f'  unused: {name}' for name in self.unused]
    skipped = sorted(self.skipped.items())
    return '\n'.join([*lines, *(f'  {n} skipped: {why}' for why, n in skipped)])


def load_matching(
  contents: name_map.Imported,
  shapes: Mapping[str, tuple[int, ...]],
  given: object,
  same_classes: bool,
) -> tuple[dict[str, np.ndarray], LoadReport]:
  """Chooses from a checkpoint what a model takes.

  `shapes` has the model's parameters, layers unrolled. Unless the classifier
  has the `same_classes` it starts anew. `given` is for messages.
  """
  params, faults = {}, []
  group = {row.ours: row.group for row in name_map.table(0)}
  needed = {name_map.ENCODER, *({name_map.POOLER} & set(contents.groups))}
  for path, shape in shapes.items():
    of = group.get(path, name_map.ENCODER)
    array = contents.params.get(path)
    if of in name_map.CLASSIFIERS and not same_classes:
      continue
    if array is None:
      if of in needed:
        faults.append(f'missing {path}')
    elif array.shape != shape:
      faults.append(f'{path} is {list(array.shape)}, not {list(shape)}')
    else:
      params[path] = array
  if faults and all(fault.startswith(name_map.CLASSIFIERS) for fault in faults):
    what = f'{given}: {"; ".join(faults)}; name its own classes in the order of'
    raise InputError(f'{what} their ids by --config.init_from_labels=A,B,C')
  if faults:
    what = f'{given}: {"; ".join(faults[:8])}; use the configuration'
    raise InputError(f'{what} that came with the weights')
  return params, LoadReport(
    tuple(params),
    tuple(path for path in shapes if path not in params),
    tuple(sorted(contents.params.keys() - params.keys())),
    contents.skipped,
  )

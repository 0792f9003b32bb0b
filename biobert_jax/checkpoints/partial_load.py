"""The tensors that a model takes from a checkpoint, and its new ones."""

import dataclasses
from collections import Counter
from collections.abc import Mapping

import numpy as np

from biobert_jax.checkpoints import name_map
from biobert_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class LoadReport:
  """The fate of every tensor of a run's first weights.

  Attributes:
    loaded: our paths that came from the checkpoint.
    new: our paths left at their random start (heads only).
    unused: the checkpoint's parameters that the run's model lacks.
    skipped: kinds of tensors that are not parameters -> how many.
  """

  loaded: tuple[str, ...]
  new: tuple[str, ...]
  unused: tuple[str, ...]
  skipped: Counter[str]

  def __str__(self) -> str:
    lines = [
      f'{len(self.loaded)} tensors loaded, {len(self.new)} new, '
      f'{len(self.unused)} of the checkpoint unused'
    ]
    lines += [f'  new: {name}' for name in self.new]
    lines += [f'  unused: {name}' for name in self.unused]
    lines += [
      f'  {n} skipped: {why}' for why, n in sorted(self.skipped.items())
    ]
    return '\n'.join(lines)


def load_matching(
  contents: name_map.Imported,
  shapes: Mapping[str, tuple[int, ...]],
  given: object,
  same_classes: bool,
) -> tuple[dict[str, np.ndarray], LoadReport]:
  """Chooses from a checkpoint what a model takes.

  Args:
    contents: the checkpoint.
    shapes: path -> shape of the model's parameters, layers unrolled.
    given: the checkpoint, for messages.
    same_classes: whether its classifier's classes are the model's; if not,
      the classifier starts anew.

  Returns:
    path -> array, and the report.

  Raises:
    InputError: a tensor of the encoder is missing, a head has the wrong shape.
  """
  params, faults = {}, []
  group = {row.ours: row.group for row in name_map.table(0)}
  without_pooler = name_map.POOLER not in contents.groups
  for path, shape in shapes.items():
    of = group.get(path, name_map.ENCODER)
    array = contents.params.get(path)
    if of in name_map.CLASSIFIERS and not same_classes:
      continue
    if array is None:
      if of == name_map.ENCODER or (
        of == name_map.POOLER and not without_pooler
      ):
        faults.append(f'missing {path}')
    elif array.shape != shape:
      faults.append(f'{path} is {list(array.shape)}, not {list(shape)}')
    else:
      params[path] = array
  if faults:
    raise InputError(f'{given}: {"; ".join(faults[:8])}')
  return params, LoadReport(
    tuple(params),
    tuple(path for path in shapes if path not in params),
    tuple(sorted(contents.params.keys() - params.keys())),
    contents.skipped,
  )

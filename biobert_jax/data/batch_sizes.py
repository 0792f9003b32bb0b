"""How far in its data a run is whose batch size has changed."""

from typing import NamedTuple


class Stage(NamedTuple):
  """Steps of one batch size, before the present one."""

  end: int  # The first step that is not of it.
  batch_size: int  # Packed sequences of a global batch.


Stages = tuple[Stage, ...]


def first_row(step: int, batch_size: int, earlier: Stages = ()) -> int:
  """The packed sequences read before a step: no more, no fewer, none twice."""
  rows = begin = 0
  for end, size in earlier:
    rows += (end - begin) * size
    begin = end
  return rows + (step - begin) * batch_size

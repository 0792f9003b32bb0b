"""The memory of a compiled program on a chip, from XLA's reports.

XLA writes, once it has given every array its place, a list of allocations
(`*-buffer-assignment.txt`) and, of each memory, its largest arrays by size
(`*-memory-usage-report.txt`).
"""

import dataclasses
import re

_ALLOCATION = re.compile(r'^allocation \d+: size (\d+)(.*)$', re.MULTILINE)
_TOTAL = re.compile(
  r'^Memory Space: default \(color=0\)\nTotal bytes: (\d+)', re.MULTILINE
)
_LARGEST = re.compile(
  r'^ +[\d.]+\w*\([ \d]+%\); +([\d.]+)(B|KiB|MiB|GiB); +\d+; +\d+; (.*)$',
  re.MULTILINE,
)
_UNITS = {'B': 1, 'KiB': 2**10, 'MiB': 2**20, 'GiB': 2**30}
_SHOWN = 80  # Characters of a list of shapes.


@dataclasses.dataclass(frozen=True)
class Memory:
  """Bytes of HBM on one chip.

  Attributes:
    arguments: state and batch.
    outputs: results that do not take the place of an argument.
    temporaries: everything else while the step runs.
    largest: (bytes, shapes that lie there one after the other).
  """

  arguments: int
  outputs: int
  temporaries: int
  largest: tuple[tuple[int, str], ...]

  @property
  def total(self) -> int:
    """All of it."""
    return self.arguments + self.outputs + self.temporaries


def parse_memory(assignment: str, report: str) -> Memory:
  """Reads both files.

  Args:
    assignment: the text of `*-buffer-assignment.txt`.
    report: the text of `*-memory-usage-report.txt`.

  Returns:
    The memory.

  Raises:
    ValueError: they are not XLA's, or of a version that writes them otherwise.
  """
  total = _TOTAL.search(report)
  if total is None:
    raise ValueError('the memory report names no total of HBM')
  arguments = outputs = 0
  for size, rest in _ALLOCATION.findall(assignment):
    # Other memories have a colour. A constant is part of the program.
    if ', color ' in rest or 'thread-local' in rest:
      continue
    if ', parameter ' in rest:
      arguments += int(size)
    elif 'maybe-live-out' in rest:
      outputs += int(size)
  temporaries = int(total[1]) - arguments - outputs
  hbm = report[total.end() :].partition('\nMemory Space:')[0]
  seen = [
    (int(float(size) * _UNITS[unit]), shapes[:_SHOWN])
    for size, unit, shapes in _LARGEST.findall(hbm)
  ]
  return Memory(arguments, outputs, max(0, temporaries), _grouped(seen))


def _grouped(seen: list[tuple[int, str]]) -> tuple[tuple[int, str], ...]:
  """Places of the same shapes together, the largest sum first."""
  sums: dict[str, list[int]] = {}
  for size, shapes in seen:
    sums.setdefault(shapes, []).append(size)
  groups = [
    (sum(sizes), f'{len(sizes)} x {shapes}' if len(sizes) > 1 else shapes)
    for shapes, sizes in sums.items()
  ]
  return tuple(sorted(groups, key=lambda group: -group[0]))

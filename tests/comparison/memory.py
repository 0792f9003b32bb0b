"""The memory of this process, as Linux counts it."""

import pathlib
import re


def memory(field: str) -> float:
  """A figure in MiB.

  Args:
    field: `VmRSS`, what it holds now, or `VmHWM`, the most it held.

  Returns:
    Of this program alone: `ru_maxrss` counts the parent's too, from before
    the program was started.

  Raises:
    OSError: no Linux.
  """
  status = pathlib.Path('/proc/self/status').read_text()
  found = re.search(rf'^{field}:\s*(\d+) kB$', status, re.M)
  if found is None:
    raise OSError(f'/proc/self/status has no {field}')
  return int(found[1]) / 1024

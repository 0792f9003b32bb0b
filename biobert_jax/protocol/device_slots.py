"""Where runs can train at once: the chips or the CPU cores of this host.

One process only can hold a TPU chip, so the parent of those processes never
initializes the accelerator: a child process counts the chips.
"""

import os
import subprocess
import sys
from typing import NamedTuple

import jax

from biobert_jax.errors import InputError

# Chips, not devices: a chip of a TPU v3 has two.
_COUNT_CHIPS = """
import jax
devices = jax.local_devices()
chips = {tuple(getattr(d, 'coords', [d.id])) for d in devices}
print(devices[0].platform, len(chips))
"""
_FIRST_PORT = 8476  # Each libtpu process has a port of its own.
# What a child must share with its parent to find the same compiled programs.
_SETTINGS = (
  'jax_compilation_cache_dir',
  'jax_enable_compilation_cache',
  'jax_persistent_cache_min_compile_time_secs',
)


class Slot(NamedTuple):
  """Where one process runs."""

  name: str  # For messages: 'TPU 0', 'CPU 1'.
  environment: dict[str, str]  # Variables that pin a process to it.
  cores: tuple[int, ...] = ()  # Of the CPU, if confined to some.


def find_slots(processes: str) -> list[Slot]:
  """The places where `--processes` lets runs train at once.

  With 'auto' it is one per TPU or GPU chip of this host. There are two or more;
  or none: runs follow one another in this process, which has all devices. An
  InputError: not a number, or more processes than chips or cores.
  """
  auto = processes == 'auto'
  if not auto and not (processes.isdecimal() and int(processes) > 0):
    what = f'--processes is {processes!r}; it must be a number, at least 1'
    raise InputError(f'{what}, or auto')
  if processes == '1':
    return []
  platform, available = _count_chips()
  kind = f'{platform.upper()} chips'
  wanted = available if auto else int(processes)
  if platform == 'cpu':
    available, kind = len(available_cores()), 'CPU cores'
    wanted = 1 if auto else wanted
  if wanted > available:
    raise InputError(
      f'--processes is {processes}, more than the {available} {kind} of this '
      f'host; give {available} or fewer'
    )
  if wanted == 1:
    return []
  jax.config.update('jax_platforms', 'cpu')  # The chips are the children's.
  return [_slot(platform, index, wanted) for index in range(wanted)]


def _count_chips() -> tuple[str, int]:
  """(platform, chips) of this host, as a child process finds them."""
  child = subprocess.run(
    [sys.executable, '-c', _COUNT_CHIPS],
    env=child_environment(),
    capture_output=True,
    text=True,
    check=False,
  )
  if child.returncode:
    last = ''.join(child.stderr.strip().splitlines()[-1:])
    raise InputError(f'JAX finds no device on this host: {last}')
  platform, count = child.stdout.split()[-2:]
  return platform, int(count)


def available_cores() -> tuple[int, ...]:
  """The cores that this process may use; macOS does not say which."""
  if hasattr(os, 'sched_getaffinity'):
    return tuple(sorted(os.sched_getaffinity(0)))
  return tuple(range(os.cpu_count() or 1))


def _slot(platform: str, index: int, count: int) -> Slot:
  if platform == 'cpu':
    cores = available_cores()
    size = len(cores)
    own = cores[index * size // count : (index + 1) * size // count]
    return Slot(f'CPU {index}', {'OMP_NUM_THREADS': str(len(own))}, own)
  if platform != 'tpu':
    chip = _visible(index, 'CUDA_VISIBLE_DEVICES')
    return Slot(f'GPU {chip}', {'CUDA_VISIBLE_DEVICES': chip})
  chip = _visible(index, 'TPU_VISIBLE_CHIPS', 'TPU_VISIBLE_DEVICES')
  port = str(_FIRST_PORT + index)
  # The bounds describe a slice of one process with one chip. With the number
  # of the chip alone, libtpu says that the TPU is in use.
  environment = {
    'TPU_VISIBLE_CHIPS': chip,
    'TPU_CHIPS_PER_PROCESS_BOUNDS': '1,1,1',
    'TPU_PROCESS_BOUNDS': '1,1,1',
    'TPU_PROCESS_ADDRESSES': f'localhost:{port}',
    'TPU_PROCESS_PORT': port,
    'TPU_MESH_CONTROLLER_ADDRESS': f'localhost:{port}',
    'TPU_MESH_CONTROLLER_PORT': port,
    'CLOUD_TPU_TASK_ID': '0',
  }
  return Slot(f'TPU {chip}', environment)


def _visible(index: int, *variables: str) -> str:
  """A chip of those that the environment confines this program to."""
  for variable in variables:
    if given := os.environ.get(variable):
      return given.split(',')[index].strip()
  return str(index)


def child_environment() -> dict[str, str]:
  """The variables, modules and compile cache of this process."""
  settings = {
    name.upper(): str(value)
    for name in _SETTINGS
    if (value := getattr(jax.config, name)) is not None
  }
  paths = os.pathsep.join(path for path in sys.path if path)
  return {**os.environ, **settings, 'PYTHONPATH': paths}

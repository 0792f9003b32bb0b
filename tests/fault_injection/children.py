"""Starts, watches and ends the processes that the tests of faults harm.

They are forked from one that has imported JAX, TensorFlow and Orbax, which
takes longer than most of what is tested.
"""

import contextlib
import json
import multiprocessing
import os
import pathlib
import socket
import time
from collections.abc import Iterator
from typing import Any

import jax

from tests.fault_injection import child
from tests.fixtures.compiler_flags import QUICK

ROOT = pathlib.Path(__file__).parents[2]
_FORKS = multiprocessing.get_context('forkserver')
_FORKS.set_forkserver_preload(['tests.fault_injection.preloaded'])
# The longest that a preempted machine may take to save and leave.
GRACE_SECONDS = 15
# Of a small run: its last step, and where devel is scored in the middle.
LAST, MIDDLE = 12, 6


def environment(devices: int, cache: pathlib.Path | None) -> dict[str, str]:
  """Variables of a child with so many virtual devices.

  Programs that were compiled before are taken from `cache`; with None, each is
  compiled.
  """
  flags = f'--xla_force_host_platform_device_count={devices} {QUICK}'
  # Empty is none; otherwise the session's own would be inherited.
  folder = '' if cache is None else str(cache)
  return os.environ | {
    'JAX_PLATFORMS': 'cpu',
    'XLA_FLAGS': flags,
    'JAX_COMPILATION_CACHE_DIR': folder,
  }


class Child:
  """One process of a job."""

  def __init__(self, options: dict[str, Any], variables: dict[str, str]):
    """Starts it.

    Args:
      options: of `child.py`; `landed` and `log` are added. `logs` is the
        beginning of the names of logs, where it is not the work folder.
      variables: of its environment.
    """
    folder, host = options['workdir'], options.get('host', 0)
    beside = options.get('logs') or folder
    stem = f'{beside}.{time.monotonic_ns()}.{host}'
    self.landed = pathlib.Path(f'{stem}.landed')
    self._log = pathlib.Path(f'{stem}.log')
    options = options | {'landed': str(self.landed), 'log': str(self._log)}
    self._log.touch()
    self.process = _FORKS.Process(
      target=child.forked, args=(options, variables), daemon=True
    )
    self.process.start()

  def send_signal(self, number: int) -> None:
    """Sends it a signal."""
    assert self.process.pid is not None
    os.kill(self.process.pid, number)

  @property
  def said(self) -> str:
    """All that it wrote so far."""
    return self._log.read_text()

  def landed_at(self, seconds: float = 120) -> float:
    """When its fault struck, waiting for it; seconds since 1970.

    Raises:
      AssertionError: it ended, or time ran out, before the fault.
    """
    until = time.monotonic() + seconds
    while not self.landed.exists() or not self.landed.read_text():
      assert self.process.exitcode is None, self.said
      assert time.monotonic() < until, self.said
      time.sleep(0.02)
    found: float = json.loads(self.landed.read_text())['time']
    return found

  def wait(self, seconds: float = 150) -> int:
    """Its exit code.

    Raises:
      AssertionError: it still runs after so many seconds.
    """
    self.process.join(seconds)
    code = self.process.exitcode
    assert code is not None, f'still runs after {seconds} s: {self.said}'
    return code

  def gone_at(self, seconds: float = 150) -> float:
    """When it was gone, waiting for it; seconds since 1970."""
    self.wait(seconds)
    return time.time()


def free_port() -> int:
  """A port on which nobody listens."""
  with socket.socket() as free:
    free.bind(('localhost', 0))
    found: int = free.getsockname()[1]
  return found


@contextlib.contextmanager
def job(
  workdir: pathlib.Path | str,
  hosts: int = 1,
  devices: int = 0,
  cache: pathlib.Path | None = None,
  **options: Any,
) -> Iterator[list[Child]]:
  """The processes of a training job; killed at the end, if still there.

  Args:
    workdir: the work folder.
    hosts: how many processes.
    devices: virtual devices of each; by default as many as here.
    cache: see `environment`.
    **options: `fault`, `at`, `strikes` (the host), `config`, ….
  """
  port = free_port()
  common = options | {'workdir': str(workdir), 'hosts': hosts, 'port': port}
  variables = environment(devices or jax.device_count(), cache)
  running = [Child(common | {'host': host}, variables) for host in range(hosts)]
  try:
    yield running
  finally:
    for one in running:
      one.process.kill()
      one.process.join()


def finish(workdir: pathlib.Path | str, **options: Any) -> list[Child]:
  """Runs a job that must end well."""
  with job(workdir, **options) as running:
    codes = [one.wait() for one in running]
    assert codes == [0] * len(codes), '\n'.join(c.said for c in running)
  return running


def losses_of(workdir: pathlib.Path) -> dict[int, float]:
  """Step -> loss, of `metrics.jsonl`."""
  lines = (workdir / 'metrics.jsonl').read_text().splitlines()
  rows = [json.loads(line) for line in lines]
  return {r['step']: r['train/loss'] for r in rows if 'train/loss' in r}

"""Hosts that fail, alone or alike, and hosts that are not set up alike."""

import subprocess
import sys
import time
from concurrent import futures

import pytest

from tests.fault_injection import children

pytestmark = pytest.mark.alone

PROGRAM = """
import sys, jax
from biobert_jax import errors
from biobert_jax.parallel import multihost
jax.config.update('jax_cpu_collectives_implementation', 'gloo')
jax.distributed.initialize(
  f'localhost:{sys.argv[1]}', 2, int(sys.argv[2]), heartbeat_timeout_seconds=10
)
from jax.experimental import multihost_utils

def agree(by_host):
  facts = {'seed': 0, 'batch_size': by_host[jax.process_index()]}
  multihost.assert_equal_across_hosts(facts)

def meet():
  multihost_utils.sync_global_devices('before')
  print('met', flush=True)
  if jax.process_index() in fail:
    raise error
  multihost_utils.sync_global_devices('after')

sys.exit(errors.exit_code_of(lambda: multihost.run_on_all_hosts(meet)))
"""


def run(fail: str, error: str) -> list[tuple[int, str, float]]:
  """Exit code, words and seconds of each of two hosts."""
  program = PROGRAM.replace('fail:', f'{fail}:').replace(
    'error\n', f'{error}\n'
  )
  port = str(children.free_port())
  running = [
    subprocess.Popen(
      [sys.executable, '-c', program, port, str(host)],
      cwd=children.ROOT,
      env=children.environment(1, None),
      stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
      text=True,
    )
    for host in range(2)
  ]
  try:
    for process in running:
      while (line := process.stdout.readline()) != 'met\n':
        assert line, 'ended before they met'
    began = time.monotonic()
    found = []
    for process in reversed(running):
      said = process.stdout.read()
      found.append((process.wait(), said, time.monotonic() - began))
  finally:
    for process in running:
      process.kill()
      process.communicate()
  return found[::-1]


ALONE = {
  'errors.InputError("a shard")': (3, 'error: a shard'),
  'MemoryError("none left")': (1, 'MemoryError: none left'),
}


@pytest.fixture(scope='module')
def failed_alone():
  """What became of both jobs at once: most of the time they wait."""
  with futures.ThreadPoolExecutor() as pool:
    found = pool.map(lambda error: run('(1,)', error), ALONE)
    return dict(zip(ALONE, found, strict=True))


@pytest.mark.parametrize('error', ALONE)
def test_a_host_that_fails_alone(failed_alone, error):
  (code, what), (first, second) = ALONE[error], failed_alone[error]
  assert second[0] == code
  assert what in second[1]
  # JAX alone would wait for 300 s, and abort.
  assert second[2] < 20
  assert first[0] not in (0, 3, 4, 42)
  assert first[2] < 60


def test_hosts_that_fail_alike():
  for code, said, seconds in run('(0, 1)', 'errors.InputError("a config")'):
    assert code == 3
    assert 'error: a config' in said
    assert seconds < 10


def test_hosts_with_different_configs_end_alike():
  for code, said, seconds in run('(0, 1)', 'agree((64, 32))'):
    assert code == 3
    assert 'host 1 (' in said
    assert 'differs in batch_size: 32 there, 64 elsewhere' in said
    assert 'seed' not in said
    assert seconds < 15


def test_hosts_with_other_keys_end_alike():
  facts = "({'a': 1}, {'a': 1, 'b': 2})[jax.process_index()]"
  other = f'multihost.assert_equal_across_hosts({facts})'
  for code, said, _ in run('(0, 1)', other):
    assert code == 3
    assert 'differs in the set of keys' in said

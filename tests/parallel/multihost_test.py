"""What hosts tell each other, and where the first of them listens."""

import socket

import numpy as np
import pytest

from biobert_jax.errors import InputError, StartupError
from biobert_jax.parallel import multihost

VARIABLES = (
  'JAX_COORDINATOR_BIND_ADDRESS',
  'JAX_COORDINATOR_ADDRESS',
  'JAX_COORDINATOR_PORT',
  'SLURM_JOB_ID',
)


@pytest.fixture(autouse=True)
def alone(monkeypatch):
  """A machine `me` at 10.0.0.7, of no cluster."""
  for name in VARIABLES:
    monkeypatch.setenv(name, '')
    monkeypatch.delenv(name)
  monkeypatch.setattr(socket, 'gethostname', lambda: 'me')
  monkeypatch.setattr(
    socket, 'gethostbyname', {'me': '10.0.0.7', 'node1': '10.0.0.7'}.__getitem__
  )


@pytest.mark.parametrize(
  ('coordinator', 'variables', 'address'),
  [
    ('node1:1234', {}, '10.0.0.7:1234'),
    ('localhost:1234', {}, 'localhost:1234'),
    ('', {}, '10.0.0.7:8482'),
    ('', {'JAX_COORDINATOR_PORT': '99'}, '10.0.0.7:99'),
    ('', {'SLURM_JOB_ID': '12003'}, '10.0.0.7:20003'),
    ('', {'JAX_COORDINATOR_ADDRESS': 'node1:5'}, '10.0.0.7:5'),
    ('node1:1', {'JAX_COORDINATOR_BIND_ADDRESS': '10.1.1.1:2'}, '10.1.1.1:2'),
  ],
)
def test_the_first_host_listens_on_one_internal_address(
  monkeypatch, coordinator, variables, address
):
  for name, value in variables.items():
    monkeypatch.setenv(name, value)
  assert multihost._bind_address(coordinator) == address


def test_a_name_that_means_only_oneself_is_not_taken(monkeypatch):
  class Probe:
    """A socket whose way out is by 10.0.0.9."""

    def __init__(self, *_):
      pass

    def __enter__(self):
      return self

    def __exit__(self, *_):
      pass

    def connect(self, _):
      pass

    def getsockname(self):
      return '10.0.0.9', 1

  monkeypatch.setattr(socket, 'gethostbyname', lambda _: '127.0.1.1')
  monkeypatch.setattr(socket, 'socket', Probe)
  assert multihost._bind_address('node1:1234') == '10.0.0.9:1234'


def test_a_name_that_nobody_knows_is_left_to_jax(monkeypatch):
  def unknown(_):
    raise socket.gaierror

  monkeypatch.setattr(socket, 'gethostbyname', unknown)
  assert multihost._bind_address('node1:1234') == 'node1:1234'


def test_the_port_is_told_to_jax(monkeypatch):
  told = {}
  monkeypatch.setattr(
    multihost.jax.distributed,
    'initialize',
    lambda *given, **named: told.update(named, given=given),
  )
  met: list[object] = []
  meet = lambda *given: met.append(given)  # noqa: E731
  monkeypatch.setattr(multihost.rendezvous, 'meet', meet)

  class Slice:
    opt_in_only_method = False

    @staticmethod
    def is_env_present():
      return True

    @staticmethod
    def get_process_count():
      return 4

    @staticmethod
    def get_process_id():
      return 3

    @staticmethod
    def get_coordinator_address(timeout_secs, port):
      return f'10.0.0.7:{port}'

    @staticmethod
    def _get_worker_list_in_slice():
      return ['w-0', 'w-1', 'w-2', 'w-3']

  kinds = multihost.clusters.ClusterEnv
  monkeypatch.setattr(kinds, '_cluster_types', [])
  with pytest.raises(InputError, match='detects no cluster here; name the'):
    multihost.initialize('', 0, 0, 9)
  monkeypatch.setattr(kinds, '_cluster_types', [Slice])
  multihost.initialize('', 0, 0, 9)
  assert met[0][:3] == ('10.0.0.7:8482', '10.0.0.7:8482', 3)
  with pytest.raises(StartupError, match=r'^host 1 \(w-1\) of 4 hosts did not'):
    met[0][3].check([1], late=True)
  assert told == {'given': (), 'coordinator_bind_address': '10.0.0.7:8482'}
  assert multihost.os.environ['JAX_COORDINATOR_PORT'] == '8482'
  multihost.initialize('localhost:7', 4, 2, 9)
  assert met[1][:3] == ('localhost:7', 'localhost:7', 2)
  with pytest.raises(InputError, match='--host is 4 of --num_hosts=4'):
    multihost.initialize('localhost:7', 4, 4, 9)
  assert told['given'] == ('localhost:7', 4, 2)
  assert told['coordinator_bind_address'] == 'localhost:7'


def test_the_version_of_the_code_is_that_of_its_files(tmp_path):
  (tmp_path / 'configs').mkdir()
  file = tmp_path / 'configs' / 'x.py'
  file.write_text('a = 1\n')
  first = multihost.code_version(tmp_path)
  assert first == multihost.code_version(tmp_path)
  file.write_text('a = 2\n')
  second = multihost.code_version(tmp_path)
  file.rename(tmp_path / 'configs' / 'y.py')
  assert len({first, second, multihost.code_version(tmp_path)}) == 3
  (tmp_path / 'configs' / 'notes.txt').write_text('of no account')
  assert multihost.code_version(tmp_path) == multihost.code_version(tmp_path)
  assert multihost.code_version() == multihost.code_version()


def table(*rows: list[str]) -> np.ndarray:
  return np.stack([multihost._packed(row) for row in rows])


def test_hosts_that_agree():
  assert multihost._disagreement(['x'], table(['a', '1'], ['b', '1'])) == ''


def test_the_host_that_differs_is_named_even_if_it_is_the_first():
  said = multihost._disagreement(
    ['batch_size', 'seed'],
    table(['a', '64', '0'], ['b', '32', '0'], ['c', '32', '0']),
  )
  assert said.startswith(
    'host 0 (a) differs in batch_size: 64 there, 32 elsewhere.'
  )
  assert 'seed' not in said


def test_of_two_hosts_the_second_is_named():
  said = multihost._disagreement(['seed'], table(['a', '0'], ['b', '1']))
  assert said.startswith('host 1 (b) differs in seed: 1 there, 0 elsewhere')


def test_values_that_differ_only_at_their_end_differ():
  long = 'x' * 500
  said = multihost._disagreement(['k'], table(['a', long], ['b', long + 'y']))
  assert 'host 1 (b) differs in k' in said
  assert len(said) < 300


def test_many_differences_are_counted():
  names = [str(number) for number in range(9)]
  said = multihost._disagreement(
    names, table(['a', *names], ['b', *('!' + name for name in names)])
  )
  assert '; and 4 more. All hosts need the same code' in said
  assert '\n' not in said

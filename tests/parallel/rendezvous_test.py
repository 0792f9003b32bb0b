"""Hosts that come late, twice, or never."""

import socket
import threading
import time

import pytest

from biobert_jax.errors import InputError, StartupError
from biobert_jax.parallel import rendezvous


@pytest.fixture
def job(monkeypatch):
  """Starts hosts of a job, each in a thread; gives what became of them."""
  monkeypatch.setattr(rendezvous, 'SECONDS_BETWEEN_LINES', 0.3)
  monkeypatch.setattr(rendezvous, '_TICK', 0.05)
  with socket.socket() as free:
    free.bind(('localhost', 0))
    address = f'localhost:{free.getsockname()[1]}'
  threads: list[threading.Thread] = []
  ends: dict[int, object] = {}

  def start(host, count, seconds=20.0, key=None):
    def run():
      waiting = rendezvous.Waiting(count, seconds)
      try:
        rendezvous.meet(address, address, host, waiting)
        ends[host if key is None else key] = 'met'
      except (StartupError, InputError) as error:
        ends[host if key is None else key] = error

    threads.append(threading.Thread(target=run, daemon=True))
    threads[-1].start()

  def wait():
    for thread in threads:
      thread.join(30)
      assert not thread.is_alive()
    return ends

  start.wait, start.address = wait, address
  return start


def test_hosts_meet_in_any_order_and_leave_the_port_free(job):
  for host in (2, 1):
    job(host, 3)
  time.sleep(0.3)
  job(0, 3)
  assert job.wait() == {0: 'met', 1: 'met', 2: 'met'}
  with socket.create_server(rendezvous.split_address(job.address)):
    pass


@pytest.mark.parametrize('present', [(0,), (0, 2), (1, 2)])
def test_whoever_is_missing_is_named_by_all(job, present, caplog):
  for host in present:
    job(host, 4, 1.8)
  ends = job.wait()
  missing = ', '.join(f'host {n}' for n in range(4) if n not in present)
  missing = missing if 0 in present else 'host 0'
  assert ends.keys() == set(present)
  for error in ends.values():
    assert isinstance(error, StartupError)
    assert error.exit_code == 1
    assert str(error).startswith(f'{missing} of 4 hosts did not start within')
  lines = [r.getMessage() for r in caplog.records]
  # The first host says so, and the others do.
  said = [ln for ln in lines if f'waiting for {missing} of 4 hosts' in ln]
  assert len(said) >= 2 * len(present), lines


def test_a_host_that_came_and_went_is_missing_again(job):
  job(0, 2, 1.5)
  time.sleep(0.2)
  with socket.create_connection(rendezvous.split_address(job.address)) as link:
    link.sendall(b'GET / HTTP/1.1\\r\\n')  # A scanner is no host.
  with socket.create_connection(rendezvous.split_address(job.address)) as link:
    link.sendall(b'{"host": 1, "hosts": 3}\n')
    assert b'host 0 expects 2 hosts, host 1 3' in link.recv(1000)
  assert str(job.wait()[0]).startswith('host 1 of 2 hosts did not start')


def test_a_number_given_twice_is_refused(job):
  job(0, 3)
  job(1, 3)
  time.sleep(0.8)
  job(1, 3, key='again')
  time.sleep(0.8)
  job(2, 3)
  ends = job.wait()
  assert isinstance(ends.pop('again'), InputError)
  assert ends == {0: 'met', 1: 'met', 2: 'met'}


@pytest.mark.parametrize('given', ['', 'host', 'host:', ':80', 'host:x'])
def test_what_is_no_address_is_refused(given):
  with pytest.raises(InputError, match='give ADDRESS:PORT'):
    rendezvous.split_address(given)


def test_a_port_that_is_taken_is_named(job):
  waiting = rendezvous.Waiting(2, 1)
  with (
    socket.create_server(rendezvous.split_address(job.address)),
    pytest.raises(InputError, match='cannot listen there .*another port'),
  ):
    rendezvous.meet(job.address, job.address, 0, waiting)

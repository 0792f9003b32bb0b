"""Which chips and cores runs are given; no accelerator is needed."""

import os
import sys

import pytest

from biobert_jax.errors import InputError
from biobert_jax.protocol import device_slots


@pytest.fixture
def updates(monkeypatch):
  """What the parent changes of its own configuration."""
  made = []
  monkeypatch.setattr(
    device_slots.jax.config, 'update', lambda *pair: made.append(pair)
  )
  return made


@pytest.fixture
def host(monkeypatch, updates):
  """Sets what the child process says of this host's devices."""

  def pretend(platform, count):
    monkeypatch.setattr(device_slots, '_count_chips', lambda: (platform, count))

  return pretend


def test_a_tpu_chip_for_each_process(host, updates, monkeypatch):
  monkeypatch.delenv('TPU_VISIBLE_CHIPS', raising=False)
  host('tpu', 4)
  slots = device_slots.find_slots('auto')
  assert [slot.name for slot in slots] == ['TPU 0', 'TPU 1', 'TPU 2', 'TPU 3']
  assert slots[2].environment == {
    'TPU_VISIBLE_CHIPS': '2',
    'TPU_CHIPS_PER_PROCESS_BOUNDS': '1,1,1',
    'TPU_PROCESS_BOUNDS': '1,1,1',
    'TPU_PROCESS_ADDRESSES': 'localhost:8478',
    'TPU_PROCESS_PORT': '8478',
    'TPU_MESH_CONTROLLER_ADDRESS': 'localhost:8478',
    'TPU_MESH_CONTROLLER_PORT': '8478',
    'CLOUD_TPU_TASK_ID': '0',
  }
  # The parent leaves the chips to its children.
  assert updates == [('jax_platforms', 'cpu')]


def test_only_gpus_that_this_program_may_use(host, monkeypatch):
  monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '5,7')
  host('gpu', 2)
  slots = device_slots.find_slots('2')
  assert [slot.environment for slot in slots] == [
    {'CUDA_VISIBLE_DEVICES': '5'},
    {'CUDA_VISIBLE_DEVICES': '7'},
  ]


def test_cores_are_shared_out(host, monkeypatch):
  monkeypatch.setattr(device_slots, 'available_cores', lambda: (0, 1, 4, 5, 6))
  host('cpu', 1)
  slots = device_slots.find_slots('2')
  assert [slot.cores for slot in slots] == [(0, 1), (4, 5, 6)]
  assert slots[1].environment == {'OMP_NUM_THREADS': '3'}


@pytest.mark.parametrize(
  ('processes', 'platform', 'count'),
  [('auto', 'tpu', 1), ('auto', 'cpu', 1), ('1', 'tpu', 4)],
)
def test_one_run_at_a_time_keeps_all_devices(
  host, updates, processes, platform, count
):
  host(platform, count)
  assert device_slots.find_slots(processes) == []
  assert updates == []


@pytest.mark.parametrize('processes', ['0', '-1', 'two', ''])
def test_a_wrong_number_is_refused_before_a_child_is_asked(
  monkeypatch, processes
):
  monkeypatch.setattr(device_slots, '_count_chips', None)
  with pytest.raises(InputError, match='a number, at least 1, or auto'):
    device_slots.find_slots(processes)


def test_more_processes_than_chips_are_refused(host):
  host('tpu', 4)
  message = 'more than the 4 TPU chips of this host; give 4 or fewer'
  with pytest.raises(InputError, match=message):
    device_slots.find_slots('5')


def test_the_devices_are_counted_in_a_child_process():
  platform, count = device_slots._count_chips()
  assert (platform, count) == ('cpu', 8)  # Those of tests/conftest.py.


def test_a_child_finds_the_same_modules_and_compiled_programs(monkeypatch):
  monkeypatch.setattr(sys, 'path', ['/a', '', '/b'])
  found = device_slots.child_environment()
  assert found['PYTHONPATH'] == f'/a{os.pathsep}/b'
  folder = os.environ['JAX_COMPILATION_CACHE_DIR']
  assert found['JAX_COMPILATION_CACHE_DIR'] == folder
  assert found['JAX_ENABLE_COMPILATION_CACHE'] == 'True'

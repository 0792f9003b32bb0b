"""Slices by name."""

import pytest

from biobert_jax.errors import InputError
from biobert_jax.preflight import topology


@pytest.mark.parametrize(
  ('name', 'shape', 'chips', 'hosts'),
  [
    # As Google Cloud's documents list them: cores of v4 and v5p, else chips.
    ('v4-8', (2, 2, 1), 4, 1),
    ('v4-32', (2, 2, 4), 16, 4),
    ('v4-128', (4, 4, 4), 64, 16),
    ('v5e-1', (1, 1), 1, 1),
    ('v5e-4', (2, 2), 4, 1),
    ('v5e-8', (2, 4), 8, 1),
    ('v5e-16', (4, 4), 16, 4),
    ('v5litepod-256', (16, 16), 256, 64),
    ('V6E-32', (4, 8), 32, 8),
    ('v5p-16', (2, 2, 2), 8, 2),
    ('v5p-12288', (16, 16, 24), 6144, 1536),
    ('v5p:4x4x12', (4, 4, 12), 192, 48),
    ('v6e:4x4', (4, 4), 16, 4),
    ('2xv5e-16', (4, 4), 32, 8),
    ('16xv5p-8', (2, 2, 1), 64, 16),
    ('2xv5e-8', (2, 4), 16, 2),
    ('1xv4:2x2x4', (2, 2, 4), 16, 4),
  ],
)
def test_names(name, shape, chips, hosts):
  found = topology.parse_slice(name)
  assert (found.shape, found.chips, found.hosts) == (shape, chips, hosts)


def test_the_runtime_s_names():
  assert topology.parse_slice('v4-32').description == {
    'topology_name': 'v4:2x2x4',
    'chips_per_host_bounds': (2, 2, 1),
    'chip_config_name': 'megacore',
  }
  assert topology.parse_slice('v5e-8').description == {
    'topology_name': 'v5e:2x4',
    'chips_per_host_bounds': (2, 4, 1),
  }
  assert topology.parse_slice('3xv6e-16').description == {
    'topology_name': 'v6e:4x4',
    'chips_per_host_bounds': (2, 2, 1),
    'num_slices': 3,
  }


@pytest.mark.parametrize(
  ('name', 'nearest'),
  [
    ('v5e-17', 'v5e-16, v5e-32'),
    ('v5p-4096x', 'v5p-4096'),
    ('v6-16', 'v6e-16'),
    ('v5e:3x4', 'v5e'),
    ('v4:4x4', 'v4-'),
    ('v5e:4x4x', 'v5e'),
    ('v5e:0x4', 'v5e'),
    ('v4--8', 'v4-8'),
    ('2xv5e-17', 'v5e-16, v5e-32'),
    ('0xv5e-16', 'v'),
    ('2x2xv5e-16', 'v'),
    ('', 'v'),
  ],
)
def test_no_such_slice_names_the_nearest_first(name, nearest):
  with pytest.raises(InputError, match=f'the nearest: {nearest}'):
    topology.parse_slice(name)


def test_old_generations_are_launched_without():
  with pytest.raises(InputError, match='v3-32: preflight knows v4 and newer'):
    topology.parse_slice('v3-32')


def test_all_names_are_known():
  known = topology.names()
  assert len(known) == len(set(known)) == 38
  assert all(topology.parse_slice(name).name == name for name in known)


def test_links_of_a_ring_are_double():
  def links(name):
    found = topology.parse_slice(name)
    return found.ici_bandwidth / found.chip.ici_link_bandwidth

  # Three dimensions without rings, with; two; none.
  assert links('v4-32') == 3
  assert links('v4-128') == 6
  assert links('v5e-16') == 2
  assert links('v5e-256') == 4
  assert links('v5e-1') == 0
  assert links('2xv5e-256') == 4

"""How a stack of models lies on the devices; tests/end_to_end runs it."""

import pytest

from biobert_jax.parallel import sharding


@pytest.mark.parametrize(
  ('runs', 'batch_size', 'accumulate', 'shape'),
  [
    (8, 4, 1, (8, 1)),
    (10, 4, 1, (5, 1)),  # Two on each of five: no sooner done on eight.
    (9, 4, 1, (5, 1)),
    (2, 8, 1, (2, 4)),
    (2, 6, 1, (2, 3)),
    (1, 8, 2, (1, 4)),
    (3, 7, 1, (3, 1)),
  ],
)
def test_devices_are_shared_out(runs, batch_size, accumulate, shape):
  mesh = sharding.make_stack_mesh(runs, batch_size, accumulate)
  assert tuple(mesh.shape.values()) == (*shape, 1)

"""A trace holds the steps that were requested, and no others."""

import contextlib

import jax
import jax.numpy as jnp
import pytest
from etils import epath

from biobert_jax.training.monitoring import profiler


def run_steps(folder, first, count):
  """Takes steps; returns the files of traces."""
  x = jnp.zeros(8)
  profile = profiler.Profiler(epath.Path(folder), first)
  with contextlib.closing(profile):
    for step in range(1, count + 1):
      with profile.step(step, x):
        x = jnp.sin(x)
  return list((folder / 'plugins' / 'profile').glob('*/*.xplane.pb'))


# A run that goes on after the trace, one that ends within it, and one that
# was resumed at the step itself.
@pytest.mark.parametrize(('first', 'count'), [(2, 9), (8, 9), (1, 5)])
def test_a_trace_of_the_steps_is_written(tmp_path, first, count):
  (file,) = run_steps(tmp_path, first, count)
  found = jax.profiler.ProfileData.from_file(str(file))
  numbers = [
    dict(event.stats)['step_num']
    for plane in found.planes
    for line in plane.lines
    for event in line.events
    if event.name == 'train'
  ]
  assert numbers == list(range(first, min(first + profiler.STEPS, count + 1)))


@pytest.mark.parametrize('first', [None, 10])
def test_otherwise_there_is_none(tmp_path, first):
  assert run_steps(tmp_path, first, 9) == []

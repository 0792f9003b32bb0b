"""Random streams: the same in every release, and uniform."""

import numpy as np
import pytest

from biobert_jax.data.random_streams import RandomStream, mix


def splitmix64(*keys):
  state = 0
  for key in keys:
    state = (state + key + 0x9E3779B97F4A7C15) % 2**64
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    state = (state ^ (state >> 27)) * 0x94D049BB133111EB % 2**64
    state ^= state >> 31
  return state


def test_mix_is_frozen():
  # With state 0, splitmix64's first number is e220a8397b1dcdaf.
  assert int(mix(0)) == 0xE220A8397B1DCDAF
  assert mix(7, 3, np.arange(3)).tolist() == [
    splitmix64(7, 3, i) for i in range(3)
  ]
  assert int(mix(1, 2, 3)) == 7702586659592502839
  assert int(mix(-1)) == splitmix64(2**64 - 1)


def test_a_stream_is_frozen():
  stream = RandomStream(3, 4)
  assert [stream.bits() for _ in range(3)] == [
    3864584140094347477,
    100276120981841037,
    1321261015946306108,
  ]


def test_streams_of_other_keys_differ():
  draws = {RandomStream(seed, 1).bits() for seed in range(100)}
  assert (
    len(draws | {RandomStream(1, seed).bits() for seed in range(100)}) > 190
  )


def test_draws_are_uniform():
  stream = RandomStream(0)
  below = [stream.below(10) for _ in range(20_000)]
  assert np.bincount(below) == pytest.approx(2000, rel=0.1)
  chances = [stream.chance(0.25) for _ in range(20_000)]
  assert np.mean(chances) == pytest.approx(0.25, abs=0.02)
  heads = [stream.heads(100) for _ in range(2000)]
  assert np.mean(heads) == pytest.approx(50, abs=0.5)
  assert stream.heads(0) == 0


def test_an_order_is_a_permutation():
  order = RandomStream(1).order(2000)
  assert sorted(order) == list(range(2000))
  assert order != sorted(order)

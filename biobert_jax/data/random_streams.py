"""Random numbers that do not change with Python's or NumPy's release."""

import numpy as np

_DRAWN = 1024  # Random numbers made at a time.


class RandomStream:
  """Random numbers that follow from keys, the same in every release."""

  def __init__(self, *keys: int):
    """Begins the stream of these keys."""
    self._key = int(mix(*keys))
    self._drawn = 0
    self._numbers: list[int] = []

  def bits(self) -> int:
    """64 random bits."""
    if not self._numbers:
      counters = np.arange(self._drawn, self._drawn + _DRAWN)
      self._numbers = mix(self._key, counters).tolist()
      self._drawn += _DRAWN
    return self._numbers.pop()

  def below(self, end: int) -> int:
    """A number from 0 to below `end`."""
    return self.bits() * end >> 64

  def chance(self, share: float) -> bool:
    """True in this share of cases, 0-1."""
    return self.bits() < share * 2.0**64

  def heads(self, tosses: int) -> int:
    """How often a coin shows heads."""
    count = 0
    while tosses > 0:
      count += (self.bits() >> max(0, 64 - tosses)).bit_count()
      tosses -= 64
    return count

  def order(self, count: int) -> list[int]:
    """The numbers below `count`, shuffled."""
    keyed = [(self.bits(), number) for number in range(count)]
    return [number for _, number in sorted(keyed)]


def mix(*keys: int | np.ndarray) -> np.ndarray:
  """Hashes 64-bit keys (splitmix64, Steele et al. 2014), in any NumPy alike."""
  state = np.zeros((), np.uint64)
  with np.errstate(over='ignore'):
    for key in keys:
      state = state + np.asarray(key).astype(np.uint64)
      state = state + np.uint64(0x9E3779B97F4A7C15)
      state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
      state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
      state = state ^ (state >> np.uint64(31))
  return state

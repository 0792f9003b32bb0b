"""What stands in a traced program."""

import re

# A draw for a row as a whole, as of its bound, has no shape.
_BITS = re.compile(r' = random_bits\[bit_width=\d+ shape=\(\d')


def count_draws(program):
  """How often a program draws bits for the elements of its rows."""
  return len(_BITS.findall(str(program)))

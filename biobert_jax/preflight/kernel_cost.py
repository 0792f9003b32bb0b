"""The cost of a Pallas kernel, of which XLA sees only operands and results.

JAX's splash attention is the one kernel of the model (see
`models/splash_attention.py`); its cost follows from its name and shapes.
"""

import math
import re

from biobert_jax.preflight.hlo import Array, Computation, Instruction

_SPLASH = re.compile(r'splash_mha_(fwd|dq|dkv)_')
# Matrix products [L, K] x [K, L] or [L, L] x [L, K] of a head: the scores, and
# what is made of them; backwards, the scores once more.
_PRODUCTS = {'fwd': 2, 'dq': 3, 'dkv': 4}
_RESULTS_OF_DKV = 4  # Two of its own use, two gradients.


def kernel_flops(one: Instruction, computation: Computation) -> int:
  """Operations of its matrix products; 0 of what is no such kernel."""
  if (found := _SPLASH.match(one.name)) is None:
    return 0
  query, key, *_ = _floats(one, computation)
  products = _PRODUCTS[found[1]]
  if found[1] == 'dkv' and len(one.arrays) > _RESULTS_OF_DKV:
    products += 1  # The gradient of queries too.
  return 2 * products * math.prod(query.dims) * key.dims[-2]


def bytes_read_again(one: Instruction, computation: Computation) -> int:
  """Bytes of HBM that it reads besides each operand once.

  Forwards and for the gradient of queries, keys and values are read for each
  block of queries; for their own gradient, it is the other way round.
  """
  if (found := _SPLASH.match(one.name)) is None:
    return 0
  query, key, value, *others = _floats(one, computation)
  # Its first result is its scratch, as long as a block.
  blocks = query.dims[-2] // one.arrays[0].dims[-2]
  again = [query, *others] if found[1] == 'dkv' else [key, value]
  return (blocks - 1) * sum(array.bytes for array in again if not array.space)


def _floats(one: Instruction, computation: Computation) -> list[Array]:
  """Queries, keys, values; the sums of weights, a gradient, and its sums."""
  operands = [computation.instructions[name] for name in one.operands]
  arrays = [array for operand in operands for array in operand.arrays]
  return [a for a in arrays if re.match(r'b?f\d', a.dtype)]

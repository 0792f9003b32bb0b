"""Attention over long sequences by JAX's Pallas kernel, "splash attention".

The kernel keeps scores in the core's own memory, one block of queries and keys
at a time, so that nothing in main memory grows with the square of the length.
It compares `sequence_ids` itself; no mask is made. The attention weights are
never all in one place, so they cannot be dropped.

One chip of v5e-16 in a step of pre-training, with 2 layers of BERT-base's
widths in bfloat16, the same number of tokens at every length and no dropout of
attention weights, as compiled by libtpu 0.0.42.1 (`preflight`; nothing was
run). GB of temporaries, GB between main memory and the core:

    batch x length  einsum        bfloat16 scores      the kernel
    12 x 512        0.69,  4.45   0.62, 3.97           0.43, 2.67
     6 x 1,024      1.22,  7.19   0.77, 5.68           0.43, 2.75
     3 x 2,048      2.14, 11.67   1.24, 8.76           0.44, 2.84

All 12 layers at 3 x 2,048: 9.22, 63.76; 5.30, 45.64; 1.97, 10.10.
The kernel does more operations, up to 9 products of attention for 6: 1 % of a
step at 512, 13 % at 2,048.
"""

import functools
from collections.abc import Callable

import jax
from jax.experimental.pallas.ops.tpu import splash_attention as splash
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Float, Int

from biobert_jax.errors import InputError

# Lengths are multiples of the lanes of a TPU.
_LANES = 128
# The scores of a block are float32 [512, 512], 1 MB; a few such arrays fit in
# the 16 MB that a kernel has. Large blocks mean fewer reads: keys and values
# are read once per block of queries.
_LARGEST_BLOCK = 512


def block_of(length: int) -> int:
  """Tokens per block: the most that divide the length evenly.

  Raises:
    InputError: the kernel cannot take this length.
  """
  if length % _LANES:
    nearest = -(-length // _LANES) * _LANES
    raise InputError(
      'compute.attention=splash_attention needs a multiple of '
      f'{_LANES} tokens, not {length}: set --config.data.max_seq_length='
      f'{nearest} or use einsum'
    )
  sizes = range(_LANES, _LARGEST_BLOCK + 1, _LANES)
  return max(size for size in sizes if length % size == 0)


def _kernel(
  num_heads: int, length: int, interpret: bool
) -> Callable[..., Array]:
  """The kernel for one sequence [H, L, K], with its backward pass."""
  block = block_of(length)
  # One kernel for all gradients computes scores once instead of twice, but
  # stores a part of the queries' gradient per block of keys. With a single
  # block, that part is the gradient itself.
  fused = block == length
  sizes = splash.BlockSizes(
    block_q=block,
    block_kv=block,
    block_q_dkv=block,
    block_kv_dkv=block,
    block_q_dq=None if fused else block,
    block_kv_dq=None if fused else block,
    use_fused_bwd_kernel=fused,
  )
  full = splash.FullMask((length, length))
  return splash.make_splash_mha(
    splash.MultiHeadMask([full] * num_heads),
    block_sizes=sizes,
    head_shards=1,
    q_seq_shards=1,
    # remat='names' keeps it, together with the log-sum-exp of the weights;
    # otherwise the forward kernel would have to run again.
    residual_checkpoint_name='context',
    interpret=interpret,
  )


def _attend(
  query: Float[Array, 'B L H K'],
  key: Float[Array, 'B L H K'],
  value: Float[Array, 'B L H K'],
  sequence_ids: Int[Array, 'B L'],
  interpret: bool,
) -> Float[Array, 'B L H K']:
  """Attention on one device, over its part of the batch and the heads."""
  _, length, num_heads, width = query.shape
  kernel = _kernel(num_heads, length, interpret)

  def one_sequence(
    query: Float[Array, 'H L K'],
    key: Float[Array, 'H L K'],
    value: Float[Array, 'H L K'],
    ids: Int[Array, 'L'],
  ) -> Float[Array, 'H L K']:
    return kernel(query, key, value, splash.SegmentIds(ids, ids))

  scaled = query * width**-0.5
  query, key, value = (x.swapaxes(1, 2) for x in (scaled, key, value))
  return jax.vmap(one_sequence)(query, key, value, sequence_ids).swapaxes(1, 2)


def splash_attention(
  query: Float[Array, 'B L H K'],
  key: Float[Array, 'B L H K'],
  value: Float[Array, 'B L H K'],
  sequence_ids: Int[Array, 'B L'],
) -> Float[Array, 'B L H K']:
  """Scaled dot-product attention inside each sequence.

  On a CPU the kernel is interpreted, slowly, for tests and laptops. Which of
  the two runs is decided when the program is lowered, possibly for another
  machine. XLA cannot partition a kernel. The caller has made the batch axis
  manual; the mesh axes that are still automatic, over which heads are sharded,
  become manual here.

  Args:
    query: queries.
    key: keys.
    value: values.
    sequence_ids: 0 for padding, which attends to padding alone; 1, 2, ….

  Returns:
    The attended values.

  Raises:
    InputError: L is not a multiple of 128.
  """
  block_of(query.shape[1])

  def attend(*arrays: Array) -> Array:
    return jax.lax.platform_dependent(
      *arrays,
      tpu=functools.partial(_attend, interpret=False),
      cpu=functools.partial(_attend, interpret=True),
    )

  automatic = jax.sharding.get_abstract_mesh().auto_axes
  if automatic:
    head_spec = P(None, None, automatic)
    attend = jax.shard_map(
      attend,
      in_specs=(head_spec, head_spec, head_spec, P()),
      out_specs=head_spec,
      axis_names=set(automatic),
      check_vma=False,
    )
  return attend(query, key, value, sequence_ids)

"""Attention over long sequences by JAX's Pallas kernel, "splash attention".

The kernel keeps scores in the core's own memory, one block of queries and keys
at a time, so that nothing in main memory grows with the square of the length.
It compares `sequence_ids` itself; no mask is made. The attention weights are
never all in one place, so they cannot be dropped. A step of pre-training with 2
layers of BERT-base, 3 x 2,048 tokens, moves 2.84 GB, that of einsum 11.67 (a
chip of v5e-16, as compiled by libtpu 0.0.42.1; `preflight`, nothing was run).
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
Heads = Float[Array, 'B L H K']
OneHeads = Float[Array, 'H L K']


def block_of(length: int) -> int:
  """Tokens per block: the most that divide the length evenly."""
  if length % _LANES:
    nearest = -(-length // _LANES) * _LANES
    raise InputError(
      'compute.attention=splash_attention needs a multiple of '
      f'{_LANES} tokens, not {length}: set --config.data.max_seq_length='
      f'{nearest} or --config.compute.attention=einsum'
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
  own = None if fused else block
  sizes = splash.BlockSizes(
    block_q=block,
    block_kv=block,
    block_q_dkv=block,
    block_kv_dkv=block,
    block_q_dq=own,
    block_kv_dq=own,
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
  query: Heads,
  key: Heads,
  value: Heads,
  sequence_ids: Int[Array, 'B L'],
  interpret: bool,
) -> Heads:
  """Attention on one device, over its part of the batch and the heads."""
  _, length, num_heads, width = query.shape
  kernel = _kernel(num_heads, length, interpret)

  def one_sequence(
    query: OneHeads, key: OneHeads, value: OneHeads, ids: Int[Array, 'L']
  ) -> OneHeads:
    return kernel(query, key, value, splash.SegmentIds(ids, ids))

  scaled = query * width**-0.5
  query, key, value = (x.swapaxes(1, 2) for x in (scaled, key, value))
  return jax.vmap(one_sequence)(query, key, value, sequence_ids).swapaxes(1, 2)


def splash_attention(
  query: Heads, key: Heads, value: Heads, sequence_ids: Int[Array, 'B L']
) -> Heads:
  """Scaled dot-product attention inside each sequence (0 is padding).

  On a CPU the kernel is interpreted, slowly, for tests; which of them runs is
  decided when the program is lowered. XLA cannot partition a kernel: the caller
  has made the batch axis manual; the mesh axes that are still automatic, over
  which heads are sharded, become manual here. L must be a multiple of 128.
  """
  block_of(query.shape[1])

  attend = functools.partial(
    jax.lax.platform_dependent,
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

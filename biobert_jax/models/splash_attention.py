"""Attention of long rows by JAX's Pallas kernel for TPUs, "splash attention".

The kernel keeps scores in the core's own memory, a block of queries and keys
at a time, so that nothing it leaves in main memory grows with the square of
the length. It compares `sequence_ids` itself; no mask is made. Attention
weights are never together in one place, hence never dropped.

A chip of v5e-16 in a step of pre-training, 2 layers of BERT-base's widths in
bfloat16, the same pieces whatever the length, without dropout of attention
weights, as compiled by libtpu 0.0.42.1 (`preflight`; nothing was run). GB of
temporaries, GB between main memory and the core:

    rows x length   einsum        of bfloat16 scores   the kernel
    12 x 512        0.69,  4.45   0.62, 3.97           0.43, 2.67
     6 x 1,024      1.22,  7.19   0.77, 5.68           0.43, 2.75
     3 x 2,048      2.14, 11.67   1.24, 8.76           0.44, 2.84

All 12 layers at 3 x 2,048: 9.22, 63.76; 5.30, 45.64; 1.97, 10.10.
Of operations the kernel does more, up to 9 products of attention for 6: 1 %
of a step at 512, 13 % at 2,048.
"""

import functools
from collections.abc import Callable

import jax
from jax.experimental.pallas.ops.tpu import splash_attention as splash
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Float, Int

from biobert_jax.errors import InputError

# What the kernel takes of a row at a time, in lanes of the TPU.
_LANES = 128
# Scores of a block are float32 [512, 512], 1 MB: a few such arrays fit in the
# 16 MB that a kernel has. A larger block is read less often: keys and values
# come once for each block of queries.
_LARGEST_BLOCK = 512


def block_of(length: int) -> int:
  """Pieces of a block: the most that the kernel can cut a row into evenly.

  Raises:
    InputError: rows of that length it cannot cut.
  """
  if length % _LANES:
    nearest = -(-length // _LANES) * _LANES
    raise InputError(
      'compute.attention=splash_attention needs rows of a multiple of '
      f'{_LANES} pieces, not {length}: set --config.data.max_seq_length='
      f'{nearest} or use einsum'
    )
  sizes = range(_LANES, _LARGEST_BLOCK + 1, _LANES)
  return max(size for size in sizes if length % size == 0)


def _kernel(
  num_heads: int, length: int, interpret: bool
) -> Callable[..., Array]:
  """The kernel for one row [H, L, K], with its backward pass."""
  block = block_of(length)
  # One kernel for all gradients computes scores once instead of twice, but
  # leaves a share of the queries' gradient for each block of keys: those
  # shares are no more than the gradient itself where the block is the row.
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
    # Kept by remat 'names', together with the logarithms of the sums of
    # weights, without which the forward kernel would have to run again.
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
  """Attention by one device, of the rows and heads that it holds."""
  _, length, num_heads, width = query.shape
  kernel = _kernel(num_heads, length, interpret)

  def row(
    query: Float[Array, 'H L K'],
    key: Float[Array, 'H L K'],
    value: Float[Array, 'H L K'],
    ids: Int[Array, 'L'],
  ) -> Float[Array, 'H L K']:
    return kernel(query, key, value, splash.SegmentIds(ids, ids))

  scaled = query * width**-0.5
  query, key, value = (x.swapaxes(1, 2) for x in (scaled, key, value))
  return jax.vmap(row)(query, key, value, sequence_ids).swapaxes(1, 2)


def splash_attention(
  query: Float[Array, 'B L H K'],
  key: Float[Array, 'B L H K'],
  value: Float[Array, 'B L H K'],
  sequence_ids: Int[Array, 'B L'],
) -> Float[Array, 'B L H K']:
  """Scaled dot-product attention inside each sequence of a row.

  On a CPU the kernel is interpreted, slowly, for tests and laptops; which of
  the two is decided when the program is lowered, since that may be for
  another machine. XLA cannot cut a kernel: axes of the mesh that are left to
  it, over which it cuts heads, are taken in hand here; whoever calls has done
  so with the rows'.

  Args:
    query: queries.
    key: keys.
    value: values.
    sequence_ids: 0 for padding, which sees padding alone; 1, 2, ….

  Returns:
    The attended values.

  Raises:
    InputError: L is no multiple of 128.
  """
  block_of(query.shape[1])

  def attend(*arrays: Array) -> Array:
    return jax.lax.platform_dependent(
      *arrays,
      tpu=functools.partial(_attend, interpret=False),
      cpu=functools.partial(_attend, interpret=True),
    )

  left = jax.sharding.get_abstract_mesh().auto_axes
  if left:
    by_heads = P(None, None, left)
    attend = jax.shard_map(
      attend,
      in_specs=(by_heads, by_heads, by_heads, P()),
      out_specs=by_heads,
      axis_names=set(left),
      check_vma=False,
    )
  return attend(query, key, value, sequence_ids)

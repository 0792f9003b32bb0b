"""Vectors of every token of packed sequences, or of every text in them."""

import re
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from biobert_jax.checkpoints.pretrained import Pretrained
from biobert_jax.data.packing import Batch, PackedRows
from biobert_jax.inference.embedding_files import Header
from biobert_jax.models.encoder import BertEncoder, Inputs
from biobert_jax.models.param_tree import to_tree
from biobert_jax.parallel import sharding
from biobert_jax.tasks.evaluator import lower_eval_step, one_ahead
from biobert_jax.tasks.task import Arrays

# Tokens of a batch: as many as CPU caches hold, or as keep another chip busy.
_CPU_TOKENS, _CHIP_TOKENS = 2**10, 2**14
_FEATURES = (
  *('input_ids', 'segment_ids', 'position_ids', 'sequence_ids', 'words'),
)


class PooledEncoder:
  """The encoder and its pooling on all devices, compiled for each shape."""

  def __init__(self, model: Pretrained, header: Header):
    """Places the encoder's parameters; the heads of a model are left out."""
    self._module = BertEncoder(model.bert)
    self._header = header
    self._mesh = sharding.make_mesh('dp', 1)
    flat = {
      path: array
      for path, array in model.params.items()
      if re.match('bert/(embeddings|encoder)/', path)
    }
    params = to_tree(flat, scan_layers=model.bert.scan_layers)
    specs = sharding.param_specs(params, 'dp', self._mesh)
    self._shardings = sharding.shardings(specs, self._mesh)
    self._params = jax.device_put(params, self._shardings)
    # (tokens of a row, sequences of a row at most) -> program.
    self._compiled: dict[tuple[int, int], Any] = {}

  @property
  def pools(self) -> bool:
    """Whether the device sums up each text, and returns no token vectors."""
    return self._header.pooling in ('mean', 'cls')

  def __call__(self, rows: PackedRows) -> Iterator[tuple[Batch, np.ndarray]]:
    """Yields every batch of texts that `encode_slots` tokenized, packed.

    With it float32 [K, B, L, D]; where it pools, sums over the slots that count
    for each packed text, [K, B, S, D].
    """
    step = self._step(rows.max_seq_length, int(rows.plan.ordinals.max()))

    def dispatch(batch: Batch) -> Any:
      features = {name: batch[name] for name in _FEATURES}
      sharded = sharding.shard_global_batch(features, self._mesh)
      return step(self._params, sharded)

    batches = rows.eval_batches(self._rows(rows.max_seq_length))
    yield from one_ahead(dispatch, batches)

  def _rows(self, length: int) -> int:
    """Rows of a batch; each device gets an equal number."""
    devices = self._mesh.shape[sharding.DATA]
    on_cpu = jax.default_backend() == 'cpu'
    tokens = _CPU_TOKENS if on_cpu else _CHIP_TOKENS * devices
    return max(1, tokens // length // devices) * devices

  def _step(self, length: int, sequences: int) -> Any:
    """A program for rows of a length with this many sequences or more."""
    if not self.pools:
      sequences = 0
    for known in sorted(self._compiled):
      if known[0] == length and known[1] >= sequences:
        return self._compiled[known]
    room = max(8, 1 << (sequences - 1).bit_length()) if sequences else 0

    def eval_step(params: Any, batch: Arrays) -> jax.Array:
      return self._vectors(params, batch, room)

    shape = jax.ShapeDtypeStruct((self._rows(length), length), np.int32)
    arguments = (self._params, dict.fromkeys(_FEATURES, shape))
    step = lower_eval_step(
      eval_step, self._mesh, self._shardings, arguments
    ).compile()
    self._compiled[length, room] = step
    return step

  def _vectors(self, params: Any, batch: Arrays, room: int) -> jax.Array:
    """Vectors of tokens; with `room` for sequences in a row, of sequences."""
    words = batch['words']
    layers = self._header.layers
    output = self._module.apply(
      {'params': params['bert']},
      Inputs.from_batch(batch),
      all_layers=layers != (-1,),
    )
    each = (output.last,) if layers == (-1,) else output.layers
    chosen = jnp.stack([each[i] for i in layers]).astype(jnp.float32)
    if not room:
      return chosen
    counted = words >= 0
    if self._header.pooling == 'cls':  # Only the first [CLS] of a text counts.
      counted &= batch['position_ids'] == 0
    own = batch['sequence_ids'][:, :, None] == jnp.arange(1, room + 1)
    return jnp.einsum(
      'bls,kbld->kbsd',
      (own & counted[:, :, None]).astype(jnp.float32),
      chosen,
      precision=jax.lax.Precision.HIGHEST,
    )

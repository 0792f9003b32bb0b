"""A model as StableHLO: one computation for CPU, GPU and TPU, and its loader.

Weights stand beside it: constants are copied into every program that XLA
compiles, one for each shape of a batch (BERT-base: 1.2 GB, not 10 MB).
"""

import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from biobert_jax.checkpoints.formats.stablehlo import loader
from biobert_jax.checkpoints.formats.stablehlo.loader import PROGRAM, WEIGHTS
from biobert_jax.errors import InputError
from biobert_jax.io.atomic import staged, write_bytes
from biobert_jax.models.param_tree import to_tree

LOADER = 'load.py'
PLATFORMS = ('cpu', 'cuda', 'tpu')

Function = Callable[
  [Mapping[str, Any], jax.Array, jax.Array, jax.Array], dict[str, jax.Array]
]


def write(
  directory: str | pathlib.Path,
  flat: Mapping[str, np.ndarray],
  function: Function,
  max_length: int,
) -> None:
  """Writes the computation, its weights and `load.py`, which runs both.

  `flat` has layers unrolled; `function` is `models.hf_signature.unpacked`'s;
  `max_length` counts tokens. It takes every batch size and length.
  """

  def from_flat(
    params: Mapping[str, Any], ids: Any, mask: Any, types: Any
  ) -> dict[str, jax.Array]:
    tree = to_tree(params, scan_layers=False)
    outputs = function(tree, ids, mask, types)
    return {name: x.astype(jnp.float32) for name, x in outputs.items()}

  sizes = export.symbolic_shape('b, t', constraints=[f't <= {max_length}'])
  tokens = jax.ShapeDtypeStruct(sizes, jnp.int32)
  shapes = {
    path: jax.ShapeDtypeStruct(array.shape, array.dtype)
    for path, array in flat.items()
  }
  lower = export.export(jax.jit(from_flat), platforms=PLATFORMS)
  exported = lower(shapes, tokens, tokens, tokens)
  folder = pathlib.Path(directory)
  write_bytes(folder / PROGRAM, exported.serialize())
  # Given a name, NumPy would add `.npz`.
  with staged(folder / WEIGHTS) as aside, open(aside, 'wb') as file:
    np.savez(file, **flat)  # type: ignore[arg-type]
  source = pathlib.Path(loader.__file__).read_bytes()
  write_bytes(folder / LOADER, source)


class StableHloProgram(loader.Model):
  """The program that `write` wrote; its faults are the user's to fix."""

  def __init__(self, path: str | pathlib.Path) -> None:
    """Reads the computation and its weights."""
    self.path = pathlib.Path(path)
    for file in (self.path / PROGRAM, self.path / WEIGHTS):
      if not file.is_file():
        raise InputError(f'{file}: no such file; export the model first')
    try:
      super().__init__(self.path)
    except ValueError as error:
      raise InputError(f'{error}; export the model again') from error

  def __call__(
    self,
    input_ids: np.ndarray,
    attention_mask: np.ndarray,
    token_type_ids: np.ndarray,
  ) -> dict[str, np.ndarray]:
    """Runs a batch [batch, sequence], 1 in the mask for real tokens."""
    try:
      return super().__call__(input_ids, attention_mask, token_type_ids)
    except ValueError as error:
      raise InputError(str(error)) from error

"""A model as StableHLO: one computation for CPU, GPU and TPU, and its loader.

Written are `model.stablehlo` (the computation, for every batch size and
length), `model.stablehlo.npz` (its weights) and `load.py`, which runs both
where JAX and NumPy are installed and this package is not.

Weights stand beside the computation, not in it: as constants they are copied
into every program that XLA compiles, one for each shape of a batch. Measured
on a CPU for BERT-base: 10 s and 1.2 GB more for each shape, against 1 s and
10 MB; for BERT-large 36 s and 3.9 GB.
"""

import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from biobert_jax.checkpoints.formats.stablehlo import loader as stablehlo_loader
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
  """Writes `model.stablehlo`, `model.stablehlo.npz` and `load.py`.

  Args:
    directory: an existing folder.
    flat: parameters by path, layers unrolled.
    function: (tree of parameters with unrolled layers, input_ids,
      attention_mask, token_type_ids), each int32 [batch, sequence] -> outputs
      by name; `models.hf_signature.unpacked` makes one.
    max_length: the longest sequence, in tokens (`max_position_embeddings`).
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
  exported = export.export(jax.jit(from_flat), platforms=PLATFORMS)(
    shapes, tokens, tokens, tokens
  )
  folder = pathlib.Path(directory)
  write_bytes(folder / PROGRAM, exported.serialize())
  # Given a name, NumPy would add `.npz`.
  with staged(folder / WEIGHTS) as aside, open(aside, 'wb') as file:
    np.savez(file, **flat)  # type: ignore[arg-type]
  source = pathlib.Path(stablehlo_loader.__file__).read_bytes()
  write_bytes(folder / LOADER, source)


class StableHloProgram:
  """The program that `write` wrote, on JAX's default device.

  Attributes:
    path: the folder.
    max_length: the longest sequence it takes, in tokens.
  """

  def __init__(self, path: str | pathlib.Path) -> None:
    """Reads the computation and its weights.

    Args:
      path: the folder.

    Raises:
      InputError: a file is missing or damaged, or of another JAX.
    """
    self.path = pathlib.Path(path)
    for name in (PROGRAM, WEIGHTS):
      if not (self.path / name).is_file():
        raise InputError(
          f'{self.path / name}: no such file; export the model first'
        )
    try:
      self._model = stablehlo_loader.Model(self.path)
    except ValueError as error:
      raise InputError(f'{error}; export the model again') from error
    self.max_length = self._model.max_length

  def __call__(
    self,
    input_ids: np.ndarray,
    attention_mask: np.ndarray,
    token_type_ids: np.ndarray,
  ) -> dict[str, np.ndarray]:
    """Runs a batch; every new shape is compiled once, which takes seconds.

    Args:
      input_ids: [batch, sequence] vocabulary ids.
      attention_mask: 1 = real token, 0 = padding.
      token_type_ids: 0 or 1.

    Returns:
      The outputs by name, float32. Vectors at padding mean nothing.

    Raises:
      InputError: the shapes differ or the sequences are too long.
    """
    try:
      return self._model(input_ids, attention_mask, token_type_ids)
    except ValueError as error:
      raise InputError(str(error)) from error

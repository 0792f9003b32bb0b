"""Runs the model in this folder with JAX and NumPy; needs nothing else.

  from load import Model
  outputs = Model('.')(input_ids, attention_mask, token_type_ids)

`model.stablehlo` is the computation, `model.stablehlo.npz` its weights. JAX
reads a computation for at least six months after the version that wrote it.
"""

import pathlib
import struct
import zipfile

import jax
import numpy as np
from jax import export

PROGRAM = 'model.stablehlo'
WEIGHTS = 'model.stablehlo.npz'
_POSITIONS = 'bert/embeddings/position_embeddings'
# What the readers run into in a file that is cut off or another's.
_DAMAGE = (
  *(struct.error, ValueError, TypeError, LookupError, AssertionError),
  *(zipfile.BadZipFile, EOFError),
)


class Model:
  """A computation and its weights on JAX's default device.

  Every new shape of a batch is compiled once, which takes seconds: pad to few
  lengths.

  Attributes:
    exported: the computation, as `jax.export` reads it.
    params: its weights by path, on the device.
    max_length: the longest sequence it takes, in pieces.
  """

  def __init__(self, folder: str | pathlib.Path) -> None:
    """Reads both files.

    Args:
      folder: where they are.

    Raises:
      OSError: a file is missing.
      ValueError: a file is damaged, or this JAX cannot read it.
    """
    self._folder = pathlib.Path(folder)
    program, weights = self._folder / PROGRAM, self._folder / WEIGHTS
    try:
      self.exported = export.deserialize(bytearray(program.read_bytes()))
    except _DAMAGE as error:
      raise ValueError(f'{program}: damaged, or of another JAX') from error
    try:
      # Opened here: NumPy leaves a file open that is no archive.
      with (
        open(weights, 'rb') as file,
        np.load(file, allow_pickle=False) as arrays,
      ):
        self.params = {name: jax.device_put(arrays[name]) for name in arrays}
      self.max_length = self.params[_POSITIONS].shape[0]
    except _DAMAGE as error:
      raise ValueError(f'{weights}: damaged') from error
    self._call = jax.jit(self.exported.call)

  def __call__(
    self,
    input_ids: np.ndarray,
    attention_mask: np.ndarray,
    token_type_ids: np.ndarray,
  ) -> dict[str, np.ndarray]:
    """Runs a batch.

    Args:
      input_ids: [batch, sequence] vocabulary ids.
      attention_mask: 1 = real piece, 0 = padding.
      token_type_ids: 0 or 1.

    Returns:
      The outputs by name, float32. Vectors at padding mean nothing.

    Raises:
      ValueError: the shapes differ or the sequences are too long.
    """
    given = (input_ids, attention_mask, token_type_ids)
    arrays = [np.asarray(array, np.int32) for array in given]
    shapes = [array.shape for array in arrays]
    if len(set(shapes)) > 1 or len(shapes[0]) != 2 or 0 in shapes[0]:
      raise ValueError(
        f'{self._folder / PROGRAM}: takes three arrays of one shape '
        f'[batch, sequence], not {shapes}'
      )
    if shapes[0][1] > self.max_length:
      raise ValueError(
        f'{self._folder / PROGRAM}: {shapes[0][1]} pieces, more than '
        f'{self.max_length}; cut the text into windows'
      )
    outputs = self._call(self.params, *arrays)
    return {name: np.asarray(array) for name, array in outputs.items()}

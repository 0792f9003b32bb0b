"""Parameters alone: what was written is read; damage is named."""

import numpy as np
import pytest
from etils import epath

from biobert_jax.checkpoints.formats import array_checksums, orbax_params
from biobert_jax.errors import InputError

PARAMS = {'layer': {'kernel': np.arange(6, dtype=np.float32).reshape(2, 3)}}


def test_what_is_written_is_read(tmp_path):
  orbax_params.write_params(tmp_path / 'params', PARAMS)
  found = orbax_params.read_params(tmp_path / 'params')
  np.testing.assert_array_equal(
    found['layer']['kernel'], PARAMS['layer']['kernel'], strict=True
  )


def test_nothing_there_and_damage_are_named(tmp_path):
  with pytest.raises(InputError, match='holds no parameters; train first'):
    orbax_params.read_params(tmp_path)
  folder = tmp_path / 'params'
  orbax_params.write_params(folder, PARAMS)
  for file in folder.glob('*/**/*'):
    if file.is_file():
      file.unlink()
  with pytest.raises(InputError, match='damaged .*copy it again'):
    orbax_params.read_params(folder)


def test_fingerprints_are_compared():
  stored = {'fingerprints': array_checksums.fingerprints(PARAMS)}
  path = epath.Path('best')
  orbax_params.compare(PARAMS, stored, path)
  orbax_params.compare(PARAMS, {}, path)  # Of an old run.
  other = {'layer': {'kernel': PARAMS['layer']['kernel'] + 1}}
  with pytest.raises(InputError, match='layer/kernel differs'):
    orbax_params.compare(other, stored, path)

"""Parameters of a checkpoint take the place of random ones, laid out alike.

`load_weights` is covered by end_to_end/weights_test.py and pretrain_test.py.
"""

import jax
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from biobert_jax.training import init_weights


def test_replaced_parameters_keep_dtype_and_sharding():
  mesh = jax.make_mesh((8,), ('data',))
  sharded = NamedSharding(mesh, P('data'))
  params = {
    'encoder': {'kernel': jax.device_put(np.zeros((8, 2)), sharded)},
    'head': jax.device_put(np.ones(3), NamedSharding(mesh, P())),
  }
  new = np.arange(16.0, dtype=np.float64).reshape(8, 2)
  replaced = init_weights.replace(params, {'encoder/kernel': new})
  kernel = replaced['encoder']['kernel']
  np.testing.assert_array_equal(kernel, new)
  assert kernel.dtype == params['encoder']['kernel'].dtype
  assert kernel.sharding == sharded
  assert replaced['head'] is params['head']

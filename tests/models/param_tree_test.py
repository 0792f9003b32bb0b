"""Trees and flat parameters are two forms of the same numbers."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from biobert_jax.models.param_tree import to_flat, to_tree

LAYERS = 12  # More than ten: `layer_10` sorts before `layer_2`.
QUERY = 'attention/self/query/kernel'


def flat_of(dtype=np.float32):
  flat = {
    'bert/embeddings/word_embeddings': np.arange(6).reshape(3, 2),
    'cls/predictions/bias': np.arange(3),
  }
  for i in sorted(range(LAYERS), key=str):
    flat[f'bert/encoder/layer_{i}/{QUERY}'] = np.full((2, 3), i)
    flat[f'bert/encoder/layer_{i}/output/LayerNorm/bias'] = np.full(2, i + 50)
  return {path: array.astype(dtype) for path, array in flat.items()}


def check_equal(actual, expected):
  assert set(actual) == set(expected)
  for path, array in expected.items():
    assert type(actual[path]) is type(array)
    assert actual[path].dtype == array.dtype
    np.testing.assert_array_equal(actual[path], array)


def test_unrolled_layers_are_nested():
  flat = flat_of()
  tree = to_tree(flat, scan_layers=False)
  assert set(tree) == {'bert', 'cls'}
  assert set(tree['bert']['encoder']) == {f'layer_{i}' for i in range(LAYERS)}
  kernel = tree['bert']['encoder']['layer_10']['attention']['self']['query']
  assert kernel['kernel'] is flat[f'bert/encoder/layer_10/{QUERY}']


def test_scanned_layers_are_stacked_in_their_order():
  tree = to_tree(flat_of(), scan_layers=True)
  assert set(tree['bert']['encoder']) == {'layers'}
  layer = tree['bert']['encoder']['layers']['layer']
  kernel = layer['attention']['self']['query']['kernel']
  assert kernel.shape == (LAYERS, 2, 3)
  np.testing.assert_array_equal(kernel[:, 0, 0], np.arange(LAYERS))
  bias = layer['output']['LayerNorm']['bias']
  np.testing.assert_array_equal(bias[:, 1], np.arange(LAYERS) + 50)
  np.testing.assert_array_equal(tree['cls']['predictions']['bias'], [0, 1, 2])


@pytest.mark.parametrize('scan', [False, True])
@pytest.mark.parametrize('dtype', [np.float32, np.float64, ml_dtypes.bfloat16])
def test_to_flat_undoes_to_tree_on_the_host(scan, dtype):
  flat = flat_of(dtype)
  # float64 would not come back whole from a device.
  check_equal(to_flat(to_tree(flat, scan)), flat)


@pytest.mark.parametrize('scan', [False, True])
def test_arrays_of_a_device_stay_there(scan):
  flat = {path: jnp.asarray(array) for path, array in flat_of().items()}
  check_equal(to_flat(to_tree(flat, scan)), flat)


def test_an_encoder_alone_has_layers_too():
  """Its own tree has no `bert`; only `encoder/` tells a layer."""
  flat = {
    f'encoder/layer_{i}/output/dense/bias': np.full(2, i) for i in range(2)
  }
  tree = to_tree(flat, scan_layers=True)
  bias = tree['encoder']['layers']['layer']['output']['dense']['bias']
  np.testing.assert_array_equal(bias, [[0, 0], [1, 1]])
  check_equal(to_flat(tree), flat)


@pytest.mark.parametrize('scan', [False, True])
def test_host_arrays_are_not_copied_where_they_are_unrolled(scan):
  tree = to_tree(flat_of(), scan)
  held = jax.tree.leaves(tree)
  for path, array in to_flat(tree).items():
    assert any(np.shares_memory(array, leaf) for leaf in held), path


def test_shapes_flatten_without_arrays():
  tree = to_tree(flat_of(), scan_layers=True)
  shapes = jax.eval_shape(to_flat, tree)
  assert {path: x.shape for path, x in shapes.items()} == {
    path: x.shape for path, x in flat_of().items()
  }

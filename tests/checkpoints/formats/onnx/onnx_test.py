"""The ONNX file, run by onnxruntime, against our own model.

Also of `checkpoints/formats/onnx/graph.py`.
"""

import sys

import numpy as np
import pytest

from biobert_jax.checkpoints.formats.onnx import onnx as ours
from biobert_jax.checkpoints.formats.onnx.onnx import (
  OnnxProgram,
  measure_int8,
  quantize,
  write,
)
from biobert_jax.errors import InputError
from biobert_jax.models.heads import HEADS
from tests.fixtures.random_models import (
  CONFIG,
  LABELS,
  SHAPES,
  assert_same,
  batch,
  expected,
  flat_params,
)

onnx = pytest.importorskip('onnx', reason='onnx is not installed')
pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')

FOREIGN = """
  <ir_version: 9, opset_import: ["" : 20]>
  g (float[N] x) => (float[N] y) { y = Identity(x) }
"""


@pytest.mark.parametrize('head', [h for h in HEADS if h != 'entity_pair'])
def test_outputs_equal_those_of_our_model(tmp_path, head):
  flat = flat_params(head)
  write(tmp_path, flat, CONFIG, head)
  model = OnnxProgram(tmp_path)
  for rows, length in SHAPES:
    given = batch(rows, length)
    wanted = expected(head, flat, given)
    assert_same(model(*given), wanted, given[1], 1e-4)


@pytest.mark.parametrize(
  'changes',
  [
    {'hidden_act': 'gelu_tanh'},
    {'hidden_act': 'relu'},
    {'layer_norm_eps': 0.01},
    {'num_attention_heads': 1},
  ],
)
def test_the_config_is_followed(tmp_path, changes):
  config = CONFIG.replace(**changes)
  flat = flat_params('masked_lm')
  write(tmp_path, flat, config, 'masked_lm')
  given = batch(5, 7)
  actual = OnnxProgram(tmp_path / 'model.onnx')(*given)
  wanted = expected('masked_lm', flat, given, config)
  assert_same(actual, wanted, given[1], 2e-5)
  other = expected('masked_lm', flat, given)['logits']
  assert np.abs(actual['logits'] - other)[given[1] > 0].max() > 1e-4


def test_an_encoder_without_a_pooler(tmp_path):
  flat = flat_params('encoder')
  flat = {path: x for path, x in flat.items() if 'pooler' not in path}
  write(tmp_path, flat, CONFIG, 'encoder')
  assert set(OnnxProgram(tmp_path)(*batch(1, 7))) == {'last_hidden_state'}


def test_padding_changes_nothing(tmp_path):
  flat = flat_params('span')
  write(tmp_path, flat, CONFIG, 'span')
  model = OnnxProgram(tmp_path)
  ids, mask, types = batch(5, 7)
  alone = model(*(array[4:, :3] for array in (ids, mask, types)))
  among = model(ids, mask, types)
  for name, array in alone.items():
    np.testing.assert_allclose(among[name][4:, :3], array, atol=1e-5)


def test_the_file_is_plain_onnx_that_holds_each_weight_once(tmp_path):
  flat = flat_params('pretraining')
  write(tmp_path, flat, CONFIG, 'pretraining')
  assert [path.name for path in tmp_path.iterdir()] == ['model.onnx']
  model = onnx.load(tmp_path / 'model.onnx')
  onnx.checker.check_model(model, full_check=True)
  stored = {
    tensor.name: onnx.numpy_helper.to_array(tensor)
    for tensor in model.graph.initializer
  }
  for path, array in flat.items():
    np.testing.assert_array_equal(stored[path], array, err_msg=path)
  # Written by protobuf itself it has the same bytes.
  size = (tmp_path / 'model.onnx').stat().st_size
  assert len(model.SerializeToString()) == size
  weights = sum(array.nbytes for array in flat.values())
  graph = model.graph
  graph.ClearField('initializer')
  assert size - weights < len(model.SerializeToString()) + 60 * len(stored)
  assert [i.name for i in graph.input] == list(ours.INPUTS)
  for value in (*graph.input, *graph.output):
    assert value.type.tensor_type.shape.dim[0].dim_param == 'batch'


def test_arrays_in_any_order_of_memory_and_of_half_precision(tmp_path):
  flat = flat_params('token')
  strided = {k: np.asfortranarray(x) for k, x in flat.items()}
  strided['classifier/bias'] = flat['classifier/bias'].astype(np.float16)
  write(tmp_path, strided, CONFIG, 'token')
  given = batch(5, 7)
  wanted = expected('token', flat, given)
  assert_same(OnnxProgram(tmp_path)(*given), wanted, given[1], 1e-3)


def test_what_cannot_be_written_is_refused(tmp_path, monkeypatch):
  flat = flat_params('token')
  del flat['bert/encoder/layer_1/output/dense/bias']
  with pytest.raises(InputError, match='lack bert/encoder/layer_1/output/den'):
    write(tmp_path, flat, CONFIG, 'token')
  flat = flat_params('token')
  with pytest.raises(InputError, match='lack bert/pooler/dense/kernel'):
    write(tmp_path, flat, CONFIG, 'sequence')
  with pytest.raises(InputError, match="no head is named 'ner'"):
    write(tmp_path, flat, CONFIG, 'ner')
  monkeypatch.setattr(ours, '_LIMIT', 10_000)
  with pytest.raises(InputError, match='one file holds 2 GB'):
    write(tmp_path, flat, CONFIG, 'token')
  assert not list(tmp_path.iterdir())


def test_an_absent_library_is_named(tmp_path, monkeypatch):
  remedy = 'not installed; run: pip install onnx==.* onnxruntime=='
  flat = flat_params('token')
  write(tmp_path, flat, CONFIG, 'token')
  monkeypatch.setitem(sys.modules, 'onnxruntime', None)
  with pytest.raises(InputError, match=remedy):
    OnnxProgram(tmp_path)
  with pytest.raises(InputError, match=remedy):
    quantize(tmp_path)
  monkeypatch.setitem(sys.modules, 'onnx', None)
  with pytest.raises(InputError, match=remedy):
    write(tmp_path, flat, CONFIG, 'token')


def test_a_file_that_is_no_model_is_named(tmp_path):
  with pytest.raises(InputError, match='model.onnx: no such file'):
    OnnxProgram(tmp_path)
  with pytest.raises(InputError, match='model_int8.onnx: no such file'):
    OnnxProgram(tmp_path, int8=True)
  with pytest.raises(InputError, match='model.onnx: no such file'):
    quantize(tmp_path)
  write(tmp_path, flat_params('token'), CONFIG, 'token')
  path = tmp_path / 'model.onnx'
  whole = path.read_bytes()
  for content in (b'', b'not a model', whole[: len(whole) // 2]):
    path.write_bytes(content)
    with pytest.raises(InputError, match=r'model\.onnx: not an ONNX model'):
      OnnxProgram(path)
  onnx.save(onnx.parser.parse_model(FOREIGN), path)
  with pytest.raises(InputError, match=r'model\.onnx: .* not one exported'):
    OnnxProgram(path)


def test_a_batch_that_does_not_fit_is_refused(tmp_path):
  write(tmp_path, flat_params('token'), CONFIG, 'token')
  model = OnnxProgram(tmp_path)
  ids, mask, types = batch(5, 7)
  with pytest.raises(InputError, match='65 tokens, more than 64'):
    model(*(np.zeros((1, 65), np.int64),) * 3)
  with pytest.raises(InputError, match='three arrays of one shape'):
    model(ids, mask[:1], types)
  with pytest.raises(InputError, match='three arrays of one shape'):
    model(ids[0], mask[0], types[0])
  with pytest.raises(InputError, match='refuses the batch .*out of.*bounds'):
    model(ids + CONFIG.vocab_size, mask, types)


def test_int8_is_a_quarter_and_close(tmp_path):
  config = CONFIG.replace(vocab_size=400, hidden_size=96)
  write(tmp_path, flat_params('token', config), config, 'token')
  quantize(tmp_path)
  sizes = [
    (tmp_path / name).stat().st_size
    for name in ('model.onnx', 'model_int8.onnx')
  ]
  assert sizes[1] < 0.4 * sizes[0]
  assert len(list(tmp_path.iterdir())) == 2
  figures = measure_int8(tmp_path, [batch(5, 64), batch(1, 7)])
  assert 0 < figures['max_abs_diff'] < 1
  assert 0.9 < figures['min_cosine'] < figures['mean_cosine'] < 1
  assert 0.8 < figures['same_decisions'] <= 1
  assert figures['speed_ratio'] > 0


def test_int8_keeps_one_copy_of_a_tied_table(tmp_path):
  write(tmp_path, flat_params('masked_lm'), CONFIG, 'masked_lm')
  quantize(tmp_path)
  graph = onnx.load(tmp_path / 'model_int8.onnx').graph
  tables = [
    tensor.data_type
    for tensor in graph.initializer
    if list(tensor.dims) == [CONFIG.vocab_size, CONFIG.hidden_size]
  ]
  assert tables == [onnx.TensorProto.FLOAT]


def test_int8_figures_of_equal_models_are_perfect(tmp_path):
  write(tmp_path, flat_params('span'), CONFIG, 'span')
  (tmp_path / 'model_int8.onnx').write_bytes(
    (tmp_path / 'model.onnx').read_bytes()
  )
  figures = measure_int8(tmp_path, [batch(5, 7)])
  assert figures['max_abs_diff'] == 0
  assert figures['min_cosine'] == pytest.approx(1)
  assert figures['same_decisions'] == 1


def test_decisions_are_those_of_real_pieces():
  mask = np.array([[1, 1, 0], [1, 0, 0]])
  spans = {'start_logits': np.array([[1.0, 2, 9], [1, 5, 9]])}
  assert ours._decisions(spans, mask).tolist() == [1, 0]
  answers = {'logits': np.array([-1.0, 2])}
  assert ours._decisions(answers, mask).tolist() == [False, True]
  pairs = {'seq_relationship_logits': np.array([[0.0, 1], [3, 2]])}
  assert ours._decisions(pairs, mask).tolist() == [1, 0]
  labels = np.zeros((2, 3, LABELS))
  labels[0, 1, 2] = labels[1, 0, 1] = labels[1, 2, 2] = 1
  assert ours._decisions({'logits': labels}, mask).tolist() == [0, 2, 1]
  assert ours._decisions({'last_hidden_state': labels}, mask).size == 0

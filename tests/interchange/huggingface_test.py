"""Reading Hugging Face weights: every tensor in its place, or one error.

The files are written from parameters of ours; that the names and layouts are
those of transformers is held by tests/peers/encoder_test.py.
"""

import json
import pathlib
import subprocess
import sys
from typing import Any

import jax
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from biobert_jax.errors import InputError
from biobert_jax.interchange import huggingface
from biobert_jax.models.config import BertConfig
from biobert_jax.models.heads import TokenClassifier

CONFIG = BertConfig(
  vocab_size=11,
  hidden_size=4,
  num_hidden_layers=2,
  num_attention_heads=2,
  intermediate_size=6,
  max_position_embeddings=7,
)
LABELS = ('O', 'B', 'I')
QUERY = 'bert.encoder.layer.1.attention.self.query.weight'
POOLER = ('bert/pooler/dense/kernel', 'bert/pooler/dense/bias')

Tensors = dict[str, np.ndarray]


def shapes_of(config: BertConfig) -> dict[str, tuple[int, ...]]:
  """Path -> shape of a token classifier's parameters."""
  ids = np.zeros((1, 2), np.int32)
  tree = jax.eval_shape(
    TokenClassifier(config, len(LABELS)).init,
    jax.random.key(0),
    *(ids, ids, ids, ids),
  )['params']
  leaves = jax.tree_util.tree_leaves_with_path(tree)
  return {'/'.join(e.key for e in path): leaf.shape for path, leaf in leaves}


SHAPES = shapes_of(CONFIG)


def random_params(dtype: Any = np.float32) -> Tensors:
  """A different random array for every parameter."""
  generator = np.random.default_rng(0)
  return {
    path: generator.normal(size=shape).astype(dtype)
    for path, shape in SHAPES.items()
  }


def as_stored(params: Tensors) -> Tensors:
  """Under Hugging Face's names, kernels as [out, in]."""
  table = huggingface.name_table(CONFIG.num_hidden_layers)
  return {
    table[path]: np.ascontiguousarray(
      array.T if path.endswith('kernel') else array
    )
    for path, array in params.items()
  }


def write(
  folder: pathlib.Path,
  tensors: Tensors,
  labels: tuple[str, ...] | None = LABELS,
) -> None:
  """A model folder; `labels` None leaves `id2label` out."""
  save_file(tensors, folder / huggingface.WEIGHTS_FILE)
  stored = {} if labels is None else {'id2label': dict(enumerate(labels))}
  (folder / 'config.json').write_text(json.dumps(stored))


def load(
  folder: pathlib.Path, labels: tuple[str, ...] = LABELS
) -> tuple[Tensors, huggingface.LoadReport]:
  return huggingface.load(folder, CONFIG, SHAPES, labels)


def assert_equal(got: Tensors, expected: Tensors) -> None:
  assert got.keys() == expected.keys()
  for path, array in got.items():
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, expected[path], err_msg=path)


@pytest.mark.parametrize('layers', [1, 2, 6, 12])
def test_the_table_covers_every_parameter_and_nothing_else(layers):
  table = huggingface.name_table(layers)
  assert len(set(table.values())) == len(table)
  wanted = shapes_of(CONFIG.replace(num_hidden_layers=layers)).keys()
  # The pooler is BERT's, though token classification has none.
  assert table.keys() == wanted | set(POOLER)


def test_names_are_those_of_transformers():
  table = huggingface.name_table(2)
  names = {
    'bert/embeddings/word_embeddings': 'bert.embeddings.word_embeddings.weight',
    'bert/embeddings/LayerNorm/scale': 'bert.embeddings.LayerNorm.weight',
    'bert/encoder/layer_1/attention/self/query/kernel': QUERY,
    'bert/encoder/layer_0/attention/output/LayerNorm/bias': (
      'bert.encoder.layer.0.attention.output.LayerNorm.bias'
    ),
    'bert/encoder/layer_1/output/dense/bias': (
      'bert.encoder.layer.1.output.dense.bias'
    ),
    'bert/pooler/dense/kernel': 'bert.pooler.dense.weight',
    'classifier/kernel': 'classifier.weight',
  }
  assert {path: table[path] for path in names} == names
  assert set(huggingface.HEADS) <= table.keys()


@pytest.mark.parametrize('prefix', ['bert.', ''])
@pytest.mark.parametrize('spelling', ['weight', 'gamma'])
def test_what_was_written_comes_back(tmp_path, prefix, spelling):
  params = random_params()
  tensors = {}
  for name, array in as_stored(params).items():
    if name.startswith('bert.'):
      name = prefix + name.removeprefix('bert.')
    if spelling == 'gamma':  # As TF checkpoints were once converted.
      name = name.replace('LayerNorm.weight', 'LayerNorm.gamma')
      name = name.replace('LayerNorm.bias', 'LayerNorm.beta')
    tensors[name] = array
  write(tmp_path, tensors)
  got, report = load(tmp_path)
  assert_equal(got, params)
  assert set(report.loaded) == params.keys()
  assert (report.new, report.unused) == ((), ())


@pytest.mark.parametrize('dtype', [np.float16, ml_dtypes.bfloat16, np.float64])
def test_other_float_types_become_float32(tmp_path, dtype):
  params = random_params(dtype)
  write(tmp_path, as_stored(params))
  got, _ = load(tmp_path)
  assert_equal(got, {p: a.astype(np.float32) for p, a in params.items()})


def test_bfloat16_is_read_where_nothing_else_taught_it_to_numpy(tmp_path):
  """In a process of its own: jax, when imported, teaches it too."""
  write(tmp_path, as_stored(random_params(ml_dtypes.bfloat16)))
  program = (
    'import sys\n'
    'from biobert_jax.interchange import huggingface\n'
    'from biobert_jax.models.config import BertConfig\n'
    "assert 'jax' not in sys.modules\n"
    f'config, shapes = {CONFIG!r}, {SHAPES!r}\n'
    'print(len(huggingface.load(sys.argv[1], config, shapes)[0]))\n'
  )
  done = subprocess.run(
    [sys.executable, '-c', program, str(tmp_path)],
    capture_output=True,
    text=True,
    cwd=pathlib.Path(__file__).parents[2],
    check=False,
  )
  assert done.stdout == f'{len(SHAPES) - 2}\n', done.stderr


def test_quantised_tensors_are_refused(tmp_path):
  tensors = as_stored(random_params())
  tensors[QUERY] = tensors[QUERY].astype(np.int8)
  write(tmp_path, tensors)
  with pytest.raises(InputError, match=f'{QUERY} is stored as I8'):
    load(tmp_path)


def test_a_missing_tensor_is_named(tmp_path):
  tensors = as_stored(random_params())
  del tensors[QUERY], tensors['bert.embeddings.LayerNorm.bias']
  write(tmp_path, tensors)
  with pytest.raises(InputError) as caught:
    load(tmp_path)
  message = str(caught.value)
  assert message.startswith(
    f'{tmp_path / "model.safetensors"}: not the weights'
  )
  assert f'missing {QUERY}' in message
  assert 'missing bert.embeddings.LayerNorm.bias' in message
  assert message.count('; missing ') == 2


def test_many_missing_tensors_are_counted(tmp_path):
  write(tmp_path, {'unrelated.weight': np.zeros(3, np.float32)})
  with pytest.raises(InputError) as caught:
    load(tmp_path)
  of_encoder = len(SHAPES) - len(huggingface.HEADS)
  assert str(caught.value).count('; missing ') == 8
  assert str(caught.value).endswith(f'and {of_encoder - 8} more')


def test_mis_shaped_tensors_are_named(tmp_path):
  tensors = as_stored(random_params())
  wide = 'bert.encoder.layer.0.intermediate.dense.weight'
  tensors[wide] = np.ascontiguousarray(tensors[wide].T)  # TF's layout.
  tensors['bert.embeddings.word_embeddings.weight'] = np.zeros((9, 4), 'f4')
  write(tmp_path, tensors)
  with pytest.raises(InputError) as caught:
    load(tmp_path)
  message = str(caught.value)
  assert f'{wide} is (4, 6), not (6, 4)' in message
  assert 'word_embeddings.weight is (9, 4), not (11, 4)' in message


def test_what_nothing_takes_is_reported(tmp_path):
  params = random_params()
  extra = {
    'cls.predictions.bias': np.zeros(11, np.float32),
    'bert.pooler.dense.weight': np.zeros((4, 4), np.float32),
    'bert.embeddings.position_ids': np.arange(7, dtype=np.int64)[None],
    'cls.seq_relationship.bias': np.zeros(2, np.float32),
  }
  write(tmp_path, as_stored(params) | extra)
  got, report = load(tmp_path)
  assert_equal(got, params)
  assert report.unused == tuple(sorted(extra))
  first, *lines = str(report).split('\n')
  assert first == (
    f'{len(SHAPES)} tensors loaded, 0 new, 4 of the checkpoint unused'
  )
  assert lines == [f'  unused: {name}' for name in sorted(extra)]


@pytest.mark.parametrize(
  'stored',
  [None, ('O', 'I', 'B'), ('O', 'B'), ('LABEL_0', 'LABEL_1', 'LABEL_2')],
)
def test_a_head_of_other_labels_is_new(tmp_path, stored):
  params = random_params()
  write(tmp_path, as_stored(params), stored)
  got, report = load(tmp_path)
  assert report.new == ('classifier/bias', 'classifier/kernel')
  assert report.unused == ('classifier.bias', 'classifier.weight')
  assert_equal(
    got, {p: a for p, a in params.items() if p not in huggingface.HEADS}
  )


def test_an_absent_head_is_new(tmp_path):
  tensors = as_stored(random_params())
  del tensors['classifier.weight'], tensors['classifier.bias']
  write(tmp_path, tensors)
  _, report = load(tmp_path)
  assert report.new == ('classifier/bias', 'classifier/kernel')
  assert report.unused == ()
  assert '  new: classifier/bias' in str(report).split('\n')


def test_labels_are_in_the_order_of_their_numbers(tmp_path):
  by_id = {str(i): f'L{i}' for i in (10, 2, 1, 0, 9, 3, 4, 5, 6, 7, 8)}
  (tmp_path / 'config.json').write_text(json.dumps({'id2label': by_id}))
  names = huggingface.labels_of(tmp_path)
  assert names == tuple(f'L{i}' for i in range(11))


@pytest.mark.parametrize('stored', [None, {}, {'id2label': {'O': 0}}])
def test_folders_may_number_no_labels(tmp_path, stored):
  """Google's folders have a `bert_config.json` only."""
  write(tmp_path, as_stored(random_params()))
  (tmp_path / 'config.json').unlink()
  if stored is not None:
    (tmp_path / 'config.json').write_text(json.dumps(stored))
  assert huggingface.labels_of(tmp_path) is None
  assert load(tmp_path)[1].new == ('classifier/bias', 'classifier/kernel')


@pytest.mark.parametrize('text', ['{"id2label": ', '[]'])
def test_a_damaged_config_is_an_error(tmp_path, text):
  write(tmp_path, as_stored(random_params()))
  (tmp_path / 'config.json').write_text(text)
  with pytest.raises(InputError, match=r'config\.json: not a JSON object'):
    load(tmp_path)


def test_a_tensor_in_two_spellings_is_refused(tmp_path):
  tensors = as_stored(random_params())
  tensors[QUERY.removeprefix('bert.')] = tensors[QUERY]
  write(tmp_path, tensors)
  with pytest.raises(InputError, match=f'holds {QUERY} in two spellings'):
    load(tmp_path)


@pytest.mark.parametrize('kept', [0, 5, 300, -1])
def test_a_truncated_file_is_damaged(tmp_path, kept):
  write(tmp_path, as_stored(random_params()))
  path = tmp_path / huggingface.WEIGHTS_FILE
  path.write_bytes(path.read_bytes()[:kept])
  with pytest.raises(InputError, match=r'model\.safetensors: damaged \(.*\); '):
    load(tmp_path)


def test_a_pointer_in_place_of_the_file_is_damaged(tmp_path):
  """What git leaves where Git LFS is not installed."""
  write(tmp_path, as_stored(random_params()))
  (tmp_path / huggingface.WEIGHTS_FILE).write_text(
    'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n'
  )
  with pytest.raises(InputError, match='damaged'):
    load(tmp_path)


def test_weights_in_several_files_need_joining(tmp_path):
  (tmp_path / 'config.json').write_text('{}')
  (tmp_path / 'model.safetensors.index.json').write_text('{}')
  save_file(
    as_stored(random_params()), tmp_path / 'model-00001-of-00001.safetensors'
  )
  with pytest.raises(InputError) as caught:
    load(tmp_path)
  message = str(caught.value)
  assert message.startswith(f'{tmp_path / "model.safetensors.index.json"}: ')
  assert 'max_shard_size' in message


def test_a_folder_without_weights_lists_what_it_holds(tmp_path):
  (tmp_path / 'pytorch_model.bin').write_bytes(b'')
  with pytest.raises(InputError, match=r'holds: pytorch_model\.bin\)'):
    load(tmp_path)
  with pytest.raises(InputError, match=r'\(the folder holds: nothing\)'):
    load(tmp_path / 'none')


def test_weights_of_a_deeper_model_are_refused(tmp_path):
  """Else its upper layers would be left out without a word."""
  write(tmp_path, as_stored(random_params()))
  shallow = CONFIG.replace(num_hidden_layers=1)
  with pytest.raises(InputError, match=r'layer\.1\..*a model of 1 layers'):
    huggingface.load(tmp_path, shallow, shapes_of(shallow), LABELS)

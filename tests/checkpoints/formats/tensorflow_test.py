"""TF checkpoints: what is written is read, by TensorFlow too."""

import pathlib
import struct
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest

from biobert_jax.checkpoints.formats import tensorflow
from biobert_jax.errors import InputError

F32 = np.float32
DATA = '.data-00000-of-00001'


def examples() -> dict[str, np.ndarray]:
  values = np.random.default_rng(0).normal(size=(3, 5))
  return {
    'bert/pooler/dense/kernel': values.astype(F32).T,
    'bert/pooler/dense/bias': np.arange(5, dtype=F32),
    'half': values.astype(np.float16),
    'brain': values.astype(ml_dtypes.bfloat16),
    'global_step': np.array(1_000_000, np.int64),
  }


@pytest.fixture
def prefix(tmp_path) -> pathlib.Path:
  tensorflow.write(tmp_path / 'bert_model.ckpt', examples())
  return tmp_path / 'bert_model.ckpt'


def file(prefix: pathlib.Path, ending: str) -> pathlib.Path:
  return prefix.with_name(prefix.name + ending)


def test_what_is_written_is_read_bit_equal(prefix):
  arrays = examples()
  tensors = tensorflow.read(prefix)
  assert set(tensors) == set(arrays)
  for name, array in arrays.items():
    stored, found = tensors[name], tensors[name].read()
    assert stored.shape == found.shape == array.shape
    assert stored.dtype == found.dtype.name == array.dtype.name
    assert found.tobytes() == array.tobytes()
  assert tensors['global_step'].shape == ()
  assert sorted(p.name for p in prefix.parent.iterdir()) == [
    'bert_model.ckpt.data-00000-of-00001',
    'bert_model.ckpt.index',
    'checkpoint',
  ]


def test_tensorflow_reads_what_we_write(prefix):
  """By the calls of google-research/bert: modeling.py, run_classifier.py."""
  import tensorflow as tf

  arrays = examples()
  assert tf.train.latest_checkpoint(str(prefix.parent)) == str(prefix)
  assert dict(tf.train.list_variables(str(prefix))) == {
    name: list(array.shape) for name, array in arrays.items()
  }
  name = 'bert/pooler/dense/kernel'
  with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    kernel = tf.compat.v1.get_variable(name, (5, 3))
    step = tf.compat.v1.train.get_or_create_global_step()
    tf.compat.v1.train.init_from_checkpoint(
      str(prefix), {name: name, 'global_step': 'global_step'}
    )
    session.run(tf.compat.v1.global_variables_initializer())
    np.testing.assert_array_equal(session.run(kernel), arrays[name])
    assert session.run(step) == 1_000_000
    session.run([kernel.assign(kernel * 0), step.assign(0)])
    tf.compat.v1.train.Saver([kernel, step]).restore(session, str(prefix))
    np.testing.assert_array_equal(session.run(kernel), arrays[name])
    assert session.run(step) == 1_000_000


def test_we_read_what_a_saver_writes(tmp_path):
  """As TF 1.x wrote: by a Saver, with a graph and slots beside."""
  import tensorflow as tf

  kernel = np.arange(6, dtype=F32).reshape(2, 3)
  with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    saved = [
      tf.compat.v1.get_variable('kernel', initializer=kernel),
      tf.compat.v1.get_variable('kernel/adam_m', initializer=-kernel),
    ]
    step = tf.compat.v1.train.get_or_create_global_step()
    session.run(tf.compat.v1.global_variables_initializer())
    saver = tf.compat.v1.train.Saver([*saved, step])
    saver.save(session, str(tmp_path / 'model.ckpt'), step)
  prefix = tensorflow.find_prefix(tmp_path)
  assert prefix == tmp_path / 'model.ckpt-0'
  tensors = tensorflow.read(prefix)
  assert set(tensors) == {'kernel', 'kernel/adam_m', 'global_step'}
  np.testing.assert_array_equal(tensors['kernel/adam_m'].read(), -kernel)
  assert tensors['global_step'].dtype == 'int64'


def test_objects_of_tf2_go_by_their_keys(tmp_path):
  import tensorflow as tf

  def objects(tree):
    if isinstance(tree, np.ndarray):
      return tf.Variable(tree, name='a_name')
    made = tf.train.Checkpoint()
    for name, part in tree.items():
      setattr(made, name, objects(part))
    return made

  kernel = np.arange(6, dtype=F32).reshape(2, 3)
  tree = {'layer_with_weights-4': {'_attention_layer': {'kernel': kernel}}}
  made = objects({'model': tree})
  made.model.classifier = getattr(made.model, 'layer_with_weights-4')
  written = made.save(str(tmp_path / 'bert_model.ckpt'))
  assert tensorflow.find_prefix(tmp_path) == pathlib.Path(written)
  tensors = tensorflow.read(written)
  name = 'model/layer_with_weights-4/_attention_layer/kernel'
  assert set(tensors) == {
    *(name, 'save_counter', '_CHECKPOINTABLE_OBJECT_GRAPH')
  }
  np.testing.assert_array_equal(tensors[name].read(), kernel)
  assert tensors[name].also == (
    'a_name',
    'model/classifier/_attention_layer/kernel',
  )


def test_a_flipped_bit_names_its_tensor(prefix):
  content = bytearray(file(prefix, DATA).read_bytes())
  name = 'bert/pooler/dense/kernel'
  content[content.index(examples()[name].tobytes()) + 5] ^= 1
  file(prefix, DATA).write_bytes(content)
  tensors = tensorflow.read(prefix)
  tensors['bert/pooler/dense/bias'].read()
  with pytest.raises(InputError, match=f'ckpt.data-.*{name} .*Checksum'):
    tensors[name].read()


@pytest.mark.parametrize('length', [0, 20])
def test_cut_data_names_a_tensor(prefix, length):
  content = file(prefix, DATA).read_bytes()
  file(prefix, DATA).write_bytes(content[:length])
  tensors = tensorflow.read(prefix)
  with pytest.raises(InputError, match='half cannot be read, the file is cut'):
    tensors['half'].read()


def test_an_index_damaged_anywhere(prefix):
  index = file(prefix, '.index')
  content = index.read_bytes()
  refused = 0
  for at in range(0, len(content), 5):
    flipped = bytearray(content)
    flipped[at] ^= 4
    index.write_bytes(flipped)
    try:
      tensors = tensorflow.list_tensors(prefix)
    except InputError as error:
      assert str(error).startswith(f'{index}: cut or damaged')  # noqa: PT017
      refused += 1
    else:  # An empty block and padding near the end, which nothing reads.
      for name, array in examples().items():
        assert tensors[name].read().tobytes() == array.tobytes()
    index.write_bytes(content[:at])
    with pytest.raises(InputError, match=r'index: (cut or damaged|empty)'):
      tensorflow.list_tensors(prefix)
  assert refused > 0.7 * len(content) / 5


def test_names_and_shapes_need_the_index_alone(prefix):
  file(prefix, DATA).unlink()
  tensors = tensorflow.list_tensors(prefix)
  assert tensors['half'].shape == (3, 5)
  assert tensors['brain'].dtype == 'bfloat16'
  with pytest.raises(InputError, match='data-00000-of-00001: no such file'):
    tensors['half'].read()


def test_missing_data_is_named_without_tensorflow(tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, 'tensorflow', None)  # Importing it raises.
  prefix = tmp_path / 'model.ckpt-5'
  file(prefix, '.index').write_bytes(b'x')
  file(prefix, '0.data-00000-of-00001').write_bytes(b'x')  # model.ckpt-50.
  with pytest.raises(InputError, match='ckpt-5.data-00000-of-00001: no such'):
    tensorflow.read(prefix)
  file(prefix, '.data-00001-of-00002').write_bytes(b'x')
  with pytest.raises(InputError, match='ckpt-5.data-00000-of-00002: no such'):
    tensorflow.read(prefix)


def test_without_tensorflow(prefix, monkeypatch):
  monkeypatch.setitem(sys.modules, 'tensorflow', None)
  with pytest.raises(InputError, match=r'pip install .*safetensors.*without'):
    tensorflow.read(prefix)
  assert tensorflow.find_prefix(prefix.parent) == prefix


def test_a_missing_or_foreign_index(tmp_path):
  with pytest.raises(InputError, match='x.index: No such file'):
    tensorflow.list_tensors(tmp_path / 'x')
  (tmp_path / 'x.index').write_bytes(b'')
  with pytest.raises(InputError, match='x.index: empty'):
    tensorflow.list_tensors(tmp_path / 'x')
  (tmp_path / 'x.index').write_bytes(b'<html>')
  with pytest.raises(InputError, match='web page'):
    tensorflow.list_tensors(tmp_path / 'x')


def test_a_write_that_fails_leaves_nothing(tmp_path):
  (tmp_path / 'x.index').mkdir()
  with pytest.raises(InputError, match='x: cannot be written'):
    tensorflow.write(tmp_path / 'x', {'a': np.zeros(2, F32)})
  assert not [p for p in tmp_path.iterdir() if '.tmp' in p.name]
  (tmp_path / 'a_file').touch()
  with pytest.raises(InputError, match='y: cannot be written'):
    tensorflow.write(tmp_path / 'a_file' / 'y', {'a': np.zeros(2, F32)})


def test_importing_the_module_is_cheap():
  code = (
    'import sys; from biobert_jax.checkpoints.formats import tensorflow\n'
    "assert not {'tensorflow', 'jax'} & set(sys.modules)"
  )
  root = pathlib.Path(__file__).parents[3]
  child = subprocess.run(
    [sys.executable, '-c', code], cwd=root, capture_output=True, text=True
  )
  assert child.returncode == 0, child.stderr


class TestFindPrefix:
  """Needs no TensorFlow: the files are empty."""

  @pytest.fixture
  def folder(self, tmp_path, monkeypatch) -> pathlib.Path:
    monkeypatch.setitem(sys.modules, 'tensorflow', None)
    for step in (5, 10):
      (tmp_path / f'model.ckpt-{step}.index').touch()
      (tmp_path / f'model.ckpt-{step}.data-00000-of-00001').touch()
    return tmp_path

  def test_a_prefix_is_itself(self, folder):
    prefix = folder / 'model.ckpt-5'
    assert tensorflow.find_prefix(prefix) == prefix
    assert tensorflow.find_prefix(str(prefix)) == prefix

  def test_the_one_index_of_a_folder(self, folder):
    (folder / 'model.ckpt-10.index').unlink()
    (folder / 'model.safetensors.index.json').touch()
    assert tensorflow.find_prefix(folder) == folder / 'model.ckpt-5'

  @pytest.mark.parametrize(
    'named', ['model.ckpt-5', '/home/them/run/model.ckpt-5']
  )
  def test_the_one_that_the_state_file_names(self, folder, named):
    (folder / 'checkpoint').write_text(
      f'model_checkpoint_path: "{named}"\n'
      'all_model_checkpoint_paths: "model.ckpt-5"\n'
      'all_model_checkpoint_paths: "model.ckpt-10"\n'
    )
    assert tensorflow.find_prefix(folder) == folder / 'model.ckpt-5'

  @pytest.mark.parametrize(
    'state', [None, '', 'model_checkpoint_path: "../other"', '\udcff']
  )
  def test_several_are_listed(self, folder, state):
    if state is not None:
      (folder / 'checkpoint').write_text(state, errors='surrogateescape')
    with pytest.raises(InputError, match=r'2 checkpoints.*ckpt-10, .*ckpt-5'):
      tensorflow.find_prefix(folder)

  def test_none(self, folder):
    assert tensorflow.find_prefix(folder / 'other') is None
    assert tensorflow.find_prefix(folder / 'model.ckpt-5.index') is None
    (folder / 'empty').mkdir()
    assert tensorflow.find_prefix(folder / 'empty') is None


def crc32c(data: bytes) -> int:
  """Castagnoli's CRC, masked as TensorFlow's table format stores it."""
  crc = 0xFFFFFFFF
  for byte in data:
    crc ^= byte
    for _ in range(8):
      crc = (crc >> 1) ^ (0x82F63B78 * (crc & 1))
  crc ^= 0xFFFFFFFF
  return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def varint(value: int) -> bytes:
  out = bytearray()
  while value >= 128:
    out.append(value & 127 | 128)
    value >>= 7
  return bytes([*out, value])


def take_varints(data: bytes, count: int) -> tuple[list[int], int]:
  """(values, bytes they took)."""
  values, at = [], 0
  for _ in range(count):
    value = shift = 0
    while True:
      value |= (data[at] & 127) << shift
      shift += 7
      at += 1
      if data[at - 1] < 128:
        break
    values.append(value)
  return values, at


def snappy_block(content: bytes) -> bytes:
  """A table's block, as one literal of Snappy, with type and checksum."""
  literal = bytes([61 << 2]) + struct.pack('<H', len(content) - 1)
  block = varint(len(content)) + literal + content + b'\x01'
  return block + struct.pack('<I', crc32c(block))


def test_an_index_that_snappy_compresses(prefix):
  """TensorFlow stopped compressing it early on; older files exist."""
  index = file(prefix, '.index')
  content = index.read_bytes()
  (meta, meta_size, table, table_size), _ = take_varints(content[-48:], 4)
  # The block of handles has one entry: 0, key's length, value's length, ...
  handles = content[table : table + table_size]
  (shared, key_size, _), at = take_varints(handles, 3)
  key = handles[at : at + key_size]
  (start, size), _ = take_varints(handles[at + key_size :], 2)
  assert (shared, start) == (0, 0)
  assert content[size] == 0  # Not compressed, as written.
  data = snappy_block(content[start : start + size])
  metas = snappy_block(content[meta : meta + meta_size])
  handle = varint(0) + varint(len(data) - 5)
  entry = varint(0) + varint(key_size) + varint(len(handle)) + key + handle
  handles = snappy_block(entry + struct.pack('<II', 0, 1))
  places = [len(data), len(metas) - 5]
  places += [len(data) + len(metas), len(handles) - 5]
  footer = b''.join(map(varint, places)).ljust(40, b'\0') + content[-8:]
  index.write_bytes(data + metas + handles + footer)
  tensors = tensorflow.read(prefix)
  for name, array in examples().items():
    assert tensors[name].read().tobytes() == array.tobytes()

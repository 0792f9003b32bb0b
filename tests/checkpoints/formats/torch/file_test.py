"""pytorch_model.bin without PyTorch: every tensor, or one line that says why.

Files are written by tests/fixtures/torch_files.py.

Also of `checkpoints/formats/torch/restricted_pickle.py`.
"""

import json
import os
import pathlib
import pickle
import tracemalloc

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biobert_jax.checkpoints.formats.torch import file as torch_file
from biobert_jax.errors import InputError
from tests.fixtures import torch_files as files

F32 = np.float32
forms = pytest.mark.parametrize('form', files.FORMS)


@forms
def test_every_type_reads_bit_equal(tmp_path, form):
  arrays = files.examples()
  path = files.write_arrays(tmp_path / 'pytorch_model.bin', form, arrays)
  tensors = torch_file.read(path)
  assert list(tensors) == list(arrays)
  for name, array in arrays.items():
    assert files.same(tensors[name], array), name
  assert torch_file.read(tmp_path).keys() == tensors.keys()


@forms
def test_views_read_as_pytorch_shows_them(tmp_path, form):
  base = np.arange(35, dtype=F32)
  of = files.storage('0', 'FloatStorage', 35, form)
  pickled = files.state_dict(
    {
      'whole': files.tensor(of, (5, 7), (7, 1)),
      'tied': files.tensor(of, (5, 7), (7, 1)),
      'transposed': files.tensor(of, (7, 5), (1, 7)),
      'part': files.tensor(of, (4, 4), (7, 2), offset=7),
      'scalar': files.tensor(of, (), (), offset=34),
      'expanded': files.tensor(of, (3, 2), (0, 1)),
      'nothing': files.tensor(of, (0, 7), (7, 1)),
    }
  )
  path = files.write(tmp_path / 'x.bin', form, pickled, {'0': base})
  tensors = torch_file.read(path)
  square = base.reshape(5, 7)
  assert files.same(tensors['whole'], square)
  assert files.same(tensors['tied'], square)
  assert files.same(tensors['transposed'], square.T)
  assert files.same(tensors['part'], square[1:, ::2])
  assert files.same(tensors['scalar'], base[34].reshape(()))
  assert files.same(tensors['expanded'], np.tile(base[:2], (3, 1)))
  assert files.same(tensors['nothing'], np.empty((0, 7), F32))


@forms
def test_newer_types_and_parameters(tmp_path, form):
  """_rebuild_tensor_v3 and _rebuild_parameter, as PyTorch 2 writes them."""
  eight = np.array([1, -2, 0.5], ml_dtypes.float8_e4m3fn)
  of = files.storage('0', 'torch.storage.UntypedStorage', 3, form)
  arguments = [
    of,
    files.integer(0),
    files.sequence([files.integer(3)]),
    files.sequence([files.integer(1)]),
    *(b'\x89', files.ORDERED_DICT, files.symbol('torch.float8_e4m3fn')),
  ]
  weight = np.arange(4, dtype=F32)
  parameter = [files.whole('1', weight, form), b'\x88', files.ORDERED_DICT]
  pickled = files.state_dict(
    {
      'eight': files.symbol('torch._utils._rebuild_tensor_v3')
      + files.sequence(arguments)
      + b'R',
      'weight': files.symbol('torch._utils._rebuild_parameter')
      + files.sequence(parameter)
      + b'R',
    }
  )
  storages = {'0': eight.view(np.uint8), '1': weight}
  tensors = torch_file.read(
    files.write(tmp_path / 'x.bin', form, pickled, storages)
  )
  assert files.same(tensors['eight'], eight)
  assert files.same(tensors['weight'], weight)


@forms
def test_a_python_2_state_dict(tmp_path, form):
  """Pairs as arguments, byte strings, attributes set afterwards."""
  weight = np.arange(4, dtype=F32)
  pair = b'](U\x06weight' + files.whole('0', weight, form) + b'e'
  pickled = (
    b'\x80\x02ccollections\nOrderedDict\n]'
    + pair
    + b'a\x85R}'
    + files.text('_metadata')
    + b'}sb.'
  )
  path = files.write(tmp_path / 'x.bin', form, pickled, {'0': weight})
  assert files.same(torch_file.read(path)['weight'], weight)


@forms
def test_a_tensor_is_held_once(tmp_path, form):
  weight = np.zeros(2**23, F32)  # 32 MiB.
  path = files.write_arrays(tmp_path / 'x.bin', form, {'weight': weight})
  tracemalloc.start()
  try:
    stored = torch_file.read(path)['weight']
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    array = stored.read()
    peak = tracemalloc.get_traced_memory()[1]
  finally:
    tracemalloc.stop()
  # Reading the pickle takes some memory, the weights none until they are read.
  assert before < 2**20
  assert array.nbytes <= peak < 1.3 * weight.nbytes


class Hostile:
  """Makes a folder when it is unpickled."""

  def __init__(self, marker: pathlib.Path) -> None:
    self.marker = marker

  def __reduce__(self):
    return os.mkdir, (str(self.marker),)


def hostile_pickles(marker: pathlib.Path) -> list[bytes]:
  at = files.text(str(marker))
  evil = [
    pickle.dumps({'weight': Hostile(marker)}, protocol) for protocol in range(6)
  ]
  old_style = b'\x80\x02(' + at + b'iposix\nmkdir\n.'
  built = b'\x80\x02cposix\nmkdir\n' + at + b'\x85\x81.'
  return [*evil, old_style, built]


@pytest.mark.parametrize('kind', range(8))
@forms
def test_nothing_that_a_pickle_asks_for_is_run(tmp_path, form, kind):
  marker = tmp_path / 'it-ran'
  pickled = hostile_pickles(marker)[kind]
  path = files.write(tmp_path / 'x.bin', form, pickled, {})
  with pytest.raises(InputError, match=r'posix.mkdir|instruction') as caught:
    torch_file.read(path)
  assert str(caught.value).startswith(f'{path}: refuses ')
  assert not marker.exists()


def test_the_hostile_pickle_would_have_run(tmp_path):
  """The marker of the test above is made by a reader that does call."""
  marker = tmp_path / 'it-ran'
  pickle.loads(hostile_pickles(marker)[2])
  assert marker.is_dir()


@pytest.mark.parametrize(
  ('name', 'why'),
  [
    ('os.system', 'run code'),
    ('builtins.eval', 'run code'),
    ('torch._utils._rebuild_qtensor', 'dense tensors'),
    ('torch.nn.modules.linear.Linear', 'dense tensors'),
  ],
)
@forms
def test_other_names_are_refused(tmp_path, form, name, why):
  pickled = b'\x80\x02' + files.symbol(name) + b'.'
  path = files.write(tmp_path / 'x.bin', form, pickled, {})
  with pytest.raises(InputError, match=f'refuses {name}: .*{why}'):
    torch_file.read(path)


@pytest.mark.parametrize(
  ('shape', 'strides', 'offset', 'what'),
  [
    ((6,), (1,), 1, 'reaches to element 7 of a storage of 6'),
    ((3, 3), (3, 1), 0, 'claims|reaches to element 9 of a storage of 6'),
    ((2,), (6,), 0, 'reaches to element 7'),
    ((2,), (2**70,), 0, 'reaches'),
    ((), (), 6, 'reaches to element 7'),
    ((2,), (-1,), 3, 'from 0 up'),
    ((-2,), (1,), 0, 'from 0 up'),
    ((2,), (1,), -1, 'from 0 up'),
    ((2, 3), (1,), 0, '2 axes and 1 strides'),
    ((2**40,), (0,), 0, 'claims 1099511627776 elements'),
    ((1,) * 65, (1,) * 65, 0, '65 axes'),
  ],
)
@forms
def test_a_view_beyond_its_storage(
  tmp_path, form, shape, strides, offset, what
):
  of = files.storage('0', 'FloatStorage', 6, form)
  pickled = files.state_dict(
    {'dense.weight': files.tensor(of, shape, strides, offset)}
  )
  storages = {'0': np.zeros(6, F32)}
  path = files.write(tmp_path / 'x.bin', form, pickled, storages)
  with pytest.raises(InputError, match=f'dense.weight.*({what})'):
    torch_file.read(path)


@pytest.mark.parametrize('elements', [5, 7, 2**40])
@forms
def test_a_storage_of_another_size(tmp_path, form, elements):
  of = files.storage('0', 'FloatStorage', elements, form)
  pickled = files.state_dict({'weight': files.tensor(of, (5,), (1,))})
  storages = {'0': np.zeros(6, F32)}
  path = files.write(tmp_path / 'x.bin', form, pickled, storages)
  with pytest.raises(InputError, match='weight has 24 bytes|storage 0 has not'):
    torch_file.read(path)


@forms
def test_an_absent_storage_names_its_tensor(tmp_path, form):
  pickled = files.state_dict({'weight': files.whole('9', np.zeros(2), form)})
  path = files.write(tmp_path / 'x.bin', form, pickled, {})
  with pytest.raises(InputError, match='tensor weight is not in the file'):
    torch_file.read(path)


def test_a_flipped_bit_names_its_tensor(tmp_path):
  arrays = {'good': np.arange(99, dtype=F32), 'bad': np.full(99, 7, F32)}
  path = files.write_arrays(tmp_path / 'x.bin', 'zip', arrays)
  content = bytearray(path.read_bytes())
  content[content.index(arrays['bad'].tobytes()) + 100] ^= 1
  path.write_bytes(content)
  tensors = torch_file.read(path)
  assert files.same(tensors['good'], arrays['good'])
  with pytest.raises(InputError, match=r'x.bin: tensor bad .*CRC'):
    tensors['bad'].read()


@forms
def test_a_cut_file_is_refused_wherever_it_is_cut(tmp_path, form):
  arrays = dict(reversed(files.examples().items()))
  path = files.write_arrays(tmp_path / 'x.bin', form, arrays)
  content = path.read_bytes()
  for length in [*range(0, len(content), 37), len(content) - 1]:
    path.write_bytes(content[:length])
    with pytest.raises(InputError, match=r'x.bin: '):
      torch_file.read(path)


def test_a_legacy_tensor_cut_after_the_file_was_opened(tmp_path):
  path = files.write_arrays(tmp_path / 'x.bin', 'legacy', {'w': np.ones(9)})
  stored = torch_file.read(path)['w']
  path.write_bytes(path.read_bytes()[:-1])
  with pytest.raises(InputError, match='tensor w is cut'):
    stored.read()


@pytest.mark.parametrize(
  ('content', 'what'),
  [
    (b'', 'empty'),
    (b'version https://git-lfs.github.com/spec/v1\n', 'Git LFS'),
    (b'<!DOCTYPE html>', 'web page'),
    (b'weights', 'not a file of torch.save'),
    (pickle.dumps([1, 2], 2), 'not of torch.save'),
    (pickle.dumps(files.examples(), 2), 'refuses numpy'),
  ],
)
def test_other_files(tmp_path, content, what):
  path = tmp_path / 'pytorch_model.bin'
  path.write_bytes(content)
  with pytest.raises(InputError, match=f'pytorch_model.bin: .*{what}'):
    torch_file.read(path)


@forms
def test_a_state_dict_beside_an_optimizer_is_read(tmp_path, form, caplog):
  """As NVIDIA's run_pretraining.py and Lightning save it."""
  caplog.set_level('INFO')
  weight = np.arange(6, dtype=F32)
  inner = files.state_dict({'weight': files.whole('0', weight, form)})[2:-1]
  items = [
    *(files.text('epoch'), files.integer(3), files.text('model'), inner),
    *(files.text('optimizer'), b'}'),
  ]
  pickled = b'\x80\x02' + files.ORDERED_DICT + b'(' + b''.join(items) + b'u.'
  path = files.write(tmp_path / 'ckpt.pt', form, pickled, {'0': weight})
  tensors = torch_file.read(path)
  assert tensors.keys() == {'weight'}
  assert files.same(tensors['weight'], weight)
  assert "read 'model', left aside: epoch, optimizer" in caplog.text


def test_missing_files(tmp_path):
  with pytest.raises(InputError, match='x.bin: No such file'):
    torch_file.read(tmp_path / 'x.bin')
  (tmp_path / 'vocab.txt').touch()
  with pytest.raises(InputError, match=r'neither .*it holds vocab.txt'):
    torch_file.read(tmp_path)


@pytest.mark.parametrize(
  ('pickled', 'what'),
  [
    (b'\x80\x02]K\x01a.', 'holds a list, not a state dict'),
    (b'\x80\x02}.', 'it holds nothing'),
    (b'\x80\x02}X\x05\x00\x00\x00epochK\x07s.', r'it holds epoch \(int\)'),
    (
      b'\x80\x02}X\x05\x00\x00\x00modelccollections\nOrderedDict\n)Rs.',
      r"it holds model \(dict\).*\['model'\]",
    ),
    (b'\x80\x02' + b'}' * 1_000_001 + b'.', 'more than the tensors of a model'),
    (b'\x80\x02}(tK\x01s.', 'a tuple as a key'),
    # Tuples of tuples, whose hash would take 2^60 steps.
    (
      b'\x80\x02)q\x00' + b'h\x00h\x00\x86q\x00' * 60 + b'}h\x00K\x01s.',
      'as a key',
    ),
    # Room for 20 million values.
    (b'\x80\x02}r\x00\x2d\x31\x01.', 'it counts to 20000000'),
    # A name of which an attribute is set.
    (b'\x80\x02ctorch\nSize\n}X\x01\x00\x00\x00aK\x01sb.', 'cut or damaged'),
    (b'\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.', 'refuses os.system'),
    (b'\x80\x02}0.', 'refuses the instruction POP'),
    # An object of a class, by which it is refused; or of a known name.
    (
      b'\x80\x02' + files.symbol('torch.nn.modules.linear.Linear') + b')\x81.',
      'refuses torch.nn.modules.linear.Linear: only plain',
    ),
    (b'\x80\x02ctorch\nSize\n)\x81.', 'refuses the instruction NEWOBJ'),
    (b'\x80\x02h\x07.', 'cut or damaged'),
    (b'\x80\x02s.', 'cut or damaged'),
    (b'\x80\x02', 'cut or damaged'),
    (b'\x80\x02}(X\x01\x00\x00\x00aK\x01X\x01\x00\x00\x00aK\x02u.', 'a twice'),
  ],
)
@forms
def test_other_pickles(tmp_path, form, pickled, what):
  path = files.write(tmp_path / 'x.bin', form, pickled, {})
  with pytest.raises(InputError, match=what):
    torch_file.read(path)


@forms
def test_shards_are_joined(tmp_path, form):
  arrays = files.examples()
  half = len(arrays) // 2
  parts = [dict(list(arrays.items())[:half]), dict(list(arrays.items())[half:])]
  where = {}
  for i, part in enumerate(parts):
    files.write_arrays(tmp_path / f'{i}.bin', form, part)
    where |= dict.fromkeys(part, f'{i}.bin')
  index = tmp_path / 'pytorch_model.bin.index.json'
  index.write_text(json.dumps({'weight_map': where}), 'utf-8')
  tensors = torch_file.read(tmp_path)
  for name, array in arrays.items():
    assert files.same(tensors[name], array), name


@settings(max_examples=200)
@given(st.sampled_from(files.FORMS), st.data())
def test_damage_anywhere_is_an_error_or_harmless(tmp_path_factory, form, data):
  """Bytes of any part are replaced, also below the CRC of the description."""
  arrays = files.examples()
  folder = tmp_path_factory.mktemp('damage')
  path = files.write_arrays(folder / 'x.bin', form, arrays)
  content = bytearray(path.read_bytes())
  edits = st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255))
  for at, value in data.draw(st.lists(edits, min_size=1, max_size=4)):
    content[at] = value
  keep = data.draw(st.integers(len(content) // 2, len(content)))
  path.write_bytes(content[:keep])
  read_within_memory(path)


@settings(max_examples=200)
@given(st.sampled_from(files.FORMS), st.data())
def test_any_pickle_is_an_error_or_harmless(tmp_path_factory, form, data):
  """Instructions are lost, doubled and mixed, under a CRC that fits."""
  arrays = files.examples()
  keys = {name: str(i) for i, name in enumerate(arrays)}
  pickled = files.state_dict(
    {name: files.whole(keys[name], a, form) for name, a in arrays.items()}
  )
  place = st.integers(2, len(pickled))
  for _ in range(data.draw(st.integers(1, 3))):
    start, end, to = sorted(data.draw(st.tuples(place, place, place)))
    piece = data.draw(
      st.one_of(
        st.sampled_from([b'', pickled[end:to], b'(', b't', b'R', b'Q', b'u']),
        st.binary(max_size=6),
      )
    )
    pickled = pickled[:start] + piece + pickled[min(end, start + 9) :]
  storages = {keys[name]: array for name, array in arrays.items()}
  folder = tmp_path_factory.mktemp('pickle')
  read_within_memory(files.write(folder / 'x.bin', form, pickled, storages))


def read_within_memory(path: pathlib.Path) -> None:
  tracemalloc.start()
  try:
    for stored in torch_file.read(path).values():
      array = stored.read()
      assert array.shape == stored.shape
      assert array.dtype.name == stored.dtype
  except InputError:
    pass
  finally:
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
  assert peak < 64 * 2**20

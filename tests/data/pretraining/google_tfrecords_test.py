"""The reference's files: what TensorFlow wrote is read, faults are named."""

import gzip
import pathlib
import struct

import numpy as np
import pytest

from biobert_jax.data.pretraining.google_tfrecords import (
  TfExamples,
  shuffled_numbers,
)
from biobert_jax.errors import InputError
from biobert_jax.io import tf_example
from biobert_jax.io.tfrecord import TfRecordFile, masked_crc
from tests.fixtures.google_examples import (
  LENGTH,
  MASKED,
  VOCABULARY,
  row_of,
  write,
)

COUNTS = (30, 17)


def changed(**features):
  row = row_of(1)
  row.update(features)
  return [row_of(0), {k: v for k, v in row.items() if v is not None}]


FAULTY = {
  'missing': (changed(segment_ids=None), 'has no feature segment_ids'),
  'longer': (changed(input_ids=[1] * 17), 'has 17 input_ids, not the 16'),
  'fewer': (changed(masked_lm_ids=[1] * 3), 'has 3 masked_lm_ids, not the 4'),
  'beyond': (
    changed(input_ids=[VOCABULARY] * LENGTH),
    'has input_ids from 28996 to 28996, not below 28996',
  ),
  'negative': (changed(input_ids=[-1] * LENGTH), 'has input_ids from -1'),
  'label': (changed(next_sentence_labels=[2]), 'next_sentence_labels from 2'),
  'position': (
    changed(masked_lm_positions=[LENGTH] * MASKED),
    'masked_lm_positions from 16 to 16',
  ),
  'mask': (changed(input_mask=[0, 1] * 8), 'not ones and then zeros'),
  'weights': (changed(masked_lm_weights=[0.5] * MASKED), 'other than 0 and 1'),
  'bytes': (changed(input_ids='abc'), 'input_ids is not of numbers'),
}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  """Two files of rows, and some with a fault in record 1."""
  where = tmp_path_factory.mktemp('tfrecords')
  first, second = COUNTS
  files = {
    'a.tfrecord': [row_of(i) for i in range(first)],
    'b.tfrecord': [row_of(i) for i in range(first, first + second)],
    **{f'{name}.tfrecord': rows for name, (rows, _) in FAULTY.items()},
  }
  write(where, files)
  return where


def rows_of(folder, *names, **options):
  paths = [folder / f'{name}.tfrecord' for name in names or ('a', 'b')]
  options = {'vocab_size': VOCABULARY, 'max_seq_length': LENGTH, **options}
  return TfExamples(paths, **options)


def same(left, right):
  return left.keys() == right.keys() and all(
    np.array_equal(left[name], right[name]) for name in left
  )


def joined(parts):
  return {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}


def test_rows_are_those_that_tensorflow_wrote(folder):
  rows = rows_of(folder)
  assert rows.num_rows == sum(COUNTS)
  (batch,) = rows.eval_batches(50)
  for number in range(rows.num_rows):
    wanted = row_of(number)
    real = np.array(wanted['input_mask'])
    got = {name: array[number].tolist() for name, array in batch.items()}
    assert got['input_ids'] == wanted['input_ids']
    assert got['segment_ids'] == wanted['segment_ids']
    assert got['sequence_ids'] == wanted['input_mask']
    assert got['position_ids'] == (np.arange(LENGTH) * real).tolist()
    assert got['cls_positions'] == [0]
    assert got['next_sentence_labels'] == wanted['next_sentence_labels']
    assert got['masked_positions'] == wanted['masked_lm_positions']
    weights, ids = wanted['masked_lm_weights'], wanted['masked_lm_ids']
    assert got['masked_ids'] == [
      i if w else -1 for w, i in zip(weights, ids, strict=True)
    ]
    assert got['row_ids'] == number
  for name, empty in (('masked_ids', -1), ('next_sentence_labels', -1)):
    assert np.all(batch[name][rows.num_rows :] == empty)
  assert not batch['sequence_ids'][rows.num_rows :].any()
  assert batch['row_ids'].tolist() == list(range(50))


def test_evaluation_can_be_shorter(folder):
  batches = list(rows_of(folder, max_eval_rows=10).eval_batches(8))
  assert [b['sequence_ids'].any(1).sum() for b in batches] == [8, 2]


def test_each_row_comes_once_an_epoch(folder):
  rows = rows_of(folder)
  (once,) = rows.eval_batches(rows.num_rows)
  wanted = sorted(map(tuple, once['input_ids'].tolist()))
  orders = []
  for epoch in range(3):
    batch = rows.train_batch(epoch, rows.num_rows)
    orders.append(tuple(map(tuple, batch['input_ids'].tolist())))
    assert sorted(orders[-1]) == wanted
  assert len(set(orders)) == 3
  other = rows_of(folder, seed=1).train_batch(0, rows.num_rows)
  assert not same(other, rows.train_batch(0, rows.num_rows))


def test_hosts_share_a_batch(folder):
  whole = rows_of(folder).train_batch(5, 8)
  assert whole['row_ids'].tolist() == list(range(8))
  assert {k: v.shape for k, v in whole.items()} == rows_of(
    folder
  ).feature_shapes(8)
  assert all(array.dtype == np.int32 for array in whole.values())
  for hosts in (2, 4, 8):
    parts = [rows_of(folder).train_batch(5, 8, h, hosts) for h in range(hosts)]
    assert same(joined(parts), whole)


@pytest.mark.parametrize('count', [1, 2, 3, 4, 5, 100, 1000])
def test_shuffled_is_a_permutation(count):
  places = np.arange(count)
  found = [
    shuffled_numbers(places, count, np.full(count, key, np.uint64))
    for key in range(9)
  ]
  for order in found:
    assert sorted(order.tolist()) == list(range(count))
  assert len({tuple(order.tolist()) for order in found}) >= min(count, 9)
  if count == 1000:
    # A place holds any number: mean 499.5, deviation 289 / sqrt(9000).
    assert np.mean(np.stack(found)[:, :1000:7]) == pytest.approx(499.5, abs=26)
    fixed = sum(int((order == places).sum()) for order in found)
    assert fixed < 25  # One an order on average.


def test_the_order_is_frozen():
  keys = np.full(10, 7, np.uint64)
  assert shuffled_numbers(np.arange(10), 10, keys).tolist() == [
    0,
    7,
    4,
    1,
    9,
    2,
    3,
    6,
    5,
    8,
  ]


# Checksums.


def crc32c(data):
  crc = 0xFFFFFFFF
  for byte in data:
    crc ^= byte
    for _ in range(8):
      crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
  return crc ^ 0xFFFFFFFF


@pytest.mark.parametrize('size', [0, 1, 2, 3, 4, 5, 9, 1023, 1024, 1025, 3000])
def test_checksums_are_those_of_the_loop(size):
  data = np.random.default_rng(size).bytes(size)
  crc = crc32c(data)
  mask = ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32
  assert masked_crc(data) == mask


def test_the_published_checksum():
  assert crc32c(b'123456789') == 0xE3069283  # RFC 3720's polynomial.


@pytest.mark.parametrize('at', [0, 9, 12, 150])
def test_a_flipped_bit_is_named(folder, tmp_path, at):
  data = bytearray((folder / 'a.tfrecord').read_bytes())
  size = struct.unpack('<Q', data[:8])[0] + 16
  data[size + at] ^= 4
  path = tmp_path / 'a.tfrecord'
  path.write_bytes(data)
  what = 'does not begin' if at < 12 else 'differs from its checksum'
  with pytest.raises(InputError, match=f'{path}: record 1 {what}'):
    list(rows_of(tmp_path, 'a').eval_batches(8))


# Mistakes that a user can fix.


@pytest.mark.parametrize('name', FAULTY)
def test_a_row_at_fault_is_named(folder, name):
  rows = rows_of(folder, name)
  with pytest.raises(
    InputError, match=f'{name}.tfrecord: record 1 .*{FAULTY[name][1]}'
  ):
    list(rows.eval_batches(2))


def test_remedies_name_the_key_of_the_config_and_work(folder):
  with pytest.raises(
    InputError, match='record 0 has 16 input_ids, not the 32'
  ) as raised:
    rows_of(folder, max_seq_length=32)
  key, value = str(raised.value).partition('--config.data.')[2].split('=')
  assert len(rows_of(folder, **{key: int(value)})._row(0)['input_ids']) == 16
  with pytest.raises(InputError, match=r'by --config\.vocab\.path'):
    rows_of(folder, vocab_size=3)


@pytest.mark.parametrize('cut', [1, 5, 200])
def test_a_cut_file_is_named(folder, tmp_path, cut):
  data = (folder / 'a.tfrecord').read_bytes()
  (tmp_path / 'a.tfrecord').write_bytes(data[:-cut])
  with pytest.raises(InputError, match='a.tfrecord: record 29 is cut'):
    rows_of(tmp_path, 'a')


def test_a_cut_header_is_named(folder, tmp_path):
  data = (folder / 'a.tfrecord').read_bytes()
  (tmp_path / 'a.tfrecord').write_bytes(data + data[:11])
  with pytest.raises(InputError, match='a.tfrecord: record 30 is cut'):
    rows_of(tmp_path, 'a')


def test_other_files_are_named(folder, tmp_path):
  path = tmp_path / 'a.tfrecord'
  with pytest.raises(InputError, match=r'a.tfrecord: cannot be read \(No such'):
    rows_of(tmp_path, 'a')
  path.write_bytes(b'')
  with pytest.raises(InputError, match='a.tfrecord: no rows'):
    rows_of(tmp_path, 'a')
  path.write_bytes(gzip.compress((folder / 'a.tfrecord').read_bytes()))
  with pytest.raises(InputError, match='a.tfrecord: is packed by gzip'):
    rows_of(tmp_path, 'a')
  path.write_bytes(b'One sentence a line.\n' * 9)
  with pytest.raises(InputError, match='record 0 does not begin as a TFRecord'):
    rows_of(tmp_path, 'a')
  data = b'no example'
  head = struct.pack('<Q', len(data))
  crcs = [struct.pack('<I', masked_crc(part)) for part in (head, data)]
  path.write_bytes(head + crcs[0] + data + crcs[1])
  with pytest.raises(InputError, match='record 0 is not a tf.train.Example'):
    rows_of(tmp_path, 'a')
  with pytest.raises(InputError, match='no file: no rows'):
    TfExamples([], vocab_size=5, max_seq_length=8)


def test_numbers_of_any_size(folder):
  """As TensorFlow writes a: int64_list [7], and a few of more bytes."""
  record = bytes.fromhex('0a0c0a0a0a016112051a030a0107')
  assert tf_example.decode_numbers(record)['a'].tolist() == [7]
  file = TfRecordFile(pathlib.Path(folder) / 'negative.tfrecord')
  assert tf_example.decode_numbers(file.read(1))['input_ids'].tolist() == (
    [-1] * LENGTH
  )

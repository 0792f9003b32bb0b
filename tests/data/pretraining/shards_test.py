"""Shards: what is written is read, by tfds too, and every fault is named."""

import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

from biobert_jax.data.pretraining import manifest as pretraining_manifest
from biobert_jax.data.pretraining import shards
from biobert_jax.errors import InputError
from biobert_jax.io import json_files, tf_example
from biobert_jax.text import wordpiece
from biobert_jax.text.vocabulary import SPECIALS
from biobert_jax.text.wordpiece import WordPieceTokenizer

TOKENIZER = WordPieceTokenizer((*SPECIALS, *'abcdefgh'), True)
RECORDS = (40, 60, 50)  # Of each shard.


def document(number: int) -> tuple[str, list[int], list[int]]:
  draw = np.random.default_rng(number)
  lengths = draw.integers(1, 40, draw.integers(1, 9))
  ids = draw.integers(0, TOKENIZER.vocab_size, lengths.sum())
  return f'pmid:{number}', ids.tolist(), lengths.tolist()


def encoded(number: int, dtype: str = '<u2') -> tuple[bytes, int, int]:
  id, ids, lengths = document(number)
  record = shards.encode_document(
    id, np.array(ids, dtype).tobytes(), np.array(lengths, '<u2').tobytes()
  )
  return record, len(ids), len(lengths)


def write(folder: pathlib.Path) -> None:
  entries, first = [], 0
  for index, count in enumerate(RECORDS):
    numbers = range(first, first + count)
    made = shards.write_shard(
      folder, 'train', index, len(RECORDS), map(encoded, numbers)
    )
    entries.append(made)
    first += count
  held_out = shards.write_shard(folder, 'validation', 0, 1, [encoded(999)])
  manifest = {
    'format': pretraining_manifest.FORMAT,
    'vocabulary': pretraining_manifest.describe_vocabulary(TOKENIZER),
    'splits': {
      'train': {'shards': entries},
      'validation': {'shards': [held_out]},
    },
  }
  pretraining_manifest.write_tfds_metadata(folder, manifest)
  json_files.write_json(folder / pretraining_manifest.MANIFEST, manifest)


@pytest.fixture(scope='module')
def made(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
  folder = tmp_path_factory.mktemp('made')
  write(folder)
  return folder


@pytest.fixture
def copy(made: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
  return pathlib.Path(shutil.copytree(made, tmp_path / 'copy'))


def train(folder: pathlib.Path, index: int) -> pathlib.Path:
  return folder / f'corpus-train.array_record-{index:05d}-of-00003'


def same(found: shards.TokenizedDocument, number: int) -> bool:
  id, ids, lengths = document(number)
  return (
    found.id == id
    and found.input_ids.tolist() == ids
    and found.sentence_lengths.tolist() == lengths
  )


def test_documents_are_read_in_any_order(made: pathlib.Path) -> None:
  corpus = shards.Shards(made, verify='all', tokenizer=TOKENIZER)
  assert len(corpus) == sum(RECORDS)
  for number in (149, 0, 39, 40, 99, 100, 7):
    assert same(corpus[number], number)
  assert same(corpus[-1], 149)
  assert [d.id for d in corpus[38:42]] == [f'pmid:{i}' for i in range(38, 42)]
  assert all(same(d, i) for i, d in enumerate(corpus))
  assert corpus[0].input_ids.dtype == np.int32
  with pytest.raises(IndexError):
    corpus[150]


def test_lengths_are_known_without_reading(made: pathlib.Path) -> None:
  corpus = shards.Shards(made)
  known = zip(corpus.lengths, corpus.sentence_counts, strict=True)
  for i, (pieces, sentences) in enumerate(known):
    _, ids, lengths = document(i)
    assert (pieces, sentences) == (len(ids), len(lengths))
  assert corpus.offsets == [0, 40, 100, 150]


def test_splits_are_apart(made: pathlib.Path) -> None:
  assert same(shards.Shards(made, 'validation')[0], 999)
  with pytest.raises(InputError, match=r"no split 'test'.*train, validation"):
    shards.Shards(made, 'test')


def test_the_same_bytes_each_time(
  made: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  write(tmp_path)
  for path in made.iterdir():
    assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path


def test_tfds_reads_a_directory(made: pathlib.Path) -> None:
  import tensorflow_datasets as tfds

  builder = tfds.builder_from_directory(str(made))
  assert builder.info.features['input_ids'].dtype == 'uint16'
  for split, numbers in (('train', range(150)), ('validation', [999])):
    found = [
      (
        d['id'].decode(),
        d['input_ids'].tolist(),
        d['sentence_lengths'].tolist(),
      )
      for d in builder.as_data_source(split)
    ]
    assert found == [document(i) for i in numbers]


def test_neither_writer_nor_reader_needs_tensorflow_or_jax() -> None:
  code = (
    "import sys; sys.modules['tensorflow'] = sys.modules['jax'] = None\n"
    'import biobert_jax.preprocessing.token_shards.prepare'
  )
  root = pathlib.Path(__file__).parents[3]
  child = subprocess.run(
    [sys.executable, '-c', code], cwd=root, capture_output=True, text=True
  )
  assert child.returncode == 0, child.stderr


def flip(path: pathlib.Path, at: int) -> None:
  data = bytearray(path.read_bytes())
  data[at] ^= 1
  path.write_bytes(data)


def cut(path: pathlib.Path) -> None:
  path.write_bytes(path.read_bytes()[:-65536])


def empty(path: pathlib.Path) -> None:
  path.write_bytes(b'')


def junk(path: pathlib.Path) -> None:
  path.write_bytes(path.read_bytes() + b'junk')


def noise(path: pathlib.Path) -> None:
  path.write_bytes(bytes(path.stat().st_size))


def doubled(path: pathlib.Path) -> None:
  path.write_bytes(path.read_bytes() * 2)


def fewer(path: pathlib.Path) -> None:
  """Another shard, filled up to the size that is expected."""
  other = train(path.parent, 0).read_bytes()
  size = path.stat().st_size
  assert len(other) <= size
  path.write_bytes((other + bytes(size))[:size])


@pytest.mark.parametrize(
  ('spoil', 'what'),
  [
    (pathlib.Path.unlink, 'is missing'),
    (cut, 'bytes, manifest.json says'),
    (empty, 'has 0 bytes'),
    (junk, 'bytes, manifest.json says'),
    (doubled, 'bytes, manifest.json says'),
    (noise, 'is not an ArrayRecord file'),
    (fewer, 'holds 40 records, manifest.json says 60'),
  ],
)
def test_a_file_at_fault_is_named_at_once(
  copy: pathlib.Path, spoil: object, what: str
) -> None:
  assert callable(spoil)
  spoil(train(copy, 1))
  with pytest.raises(InputError, match=f'00001-of-00003: .*{what}'):
    shards.Shards(copy)


@pytest.mark.parametrize('verify', ['all', 'sample'])
def test_a_flipped_bit_is_found_by_its_hash(
  copy: pathlib.Path, verify: shards.Verify
) -> None:
  for index in range(3):
    flip(train(copy, index), 1000)
  shards.Shards(copy)
  with pytest.raises(InputError, match='of-00003: differs from its sha256'):
    shards.Shards(copy, verify=verify)


def test_a_flipped_bit_is_found_by_reading(copy: pathlib.Path) -> None:
  flip(train(copy, 1), 1000)
  corpus = shards.Shards(copy)
  assert same(corpus[0], 0)
  with pytest.raises(InputError, match='00001-of-00003: record [0-9]+ is dam'):
    list(corpus)


def test_lengths_that_do_not_add_up_are_named(copy: pathlib.Path) -> None:
  flip(copy / 'lengths-train-00002-of-00003.npy', -8)
  with pytest.raises(InputError, match='lengths-train-00002.*add up'):
    shards.Shards(copy)


def respell(folder: pathlib.Path, old: str, new: str) -> None:
  path = folder / pretraining_manifest.MANIFEST
  text = path.read_text()
  assert old in text
  path.write_text(text.replace(old, new))


def test_a_piece_beyond_the_vocabulary_is_named(copy: pathlib.Path) -> None:
  respell(copy, '"size": 13', '"size": 5')
  corpus = shards.Shards(copy)
  with pytest.raises(InputError, match='record 0 .* not in the vocabulary'):
    corpus[0]


def test_shards_of_other_lengths_are_named(copy: pathlib.Path) -> None:
  path = copy / 'lengths-train-00000-of-00003.npy'
  table = np.load(path)
  np.save(path, table[::-1])
  corpus = shards.Shards(copy)
  with pytest.raises(InputError, match='record 0 .*lengths are not as stated'):
    corpus[0]


def test_a_superfluous_shard_is_named(copy: pathlib.Path) -> None:
  shutil.copy(train(copy, 0), copy / 'corpus-train.array_record-00003-of-00003')
  with pytest.raises(InputError, match='00003-of-00003: is not in manifest'):
    shards.Shards(copy)


def test_another_vocabulary_is_refused(made: pathlib.Path) -> None:
  other = WordPieceTokenizer((*SPECIALS, *'abcdefgx'), True)
  with pytest.raises(InputError, match=r'another vocabulary \(sha256'):
    shards.Shards(made, tokenizer=other)
  cased = WordPieceTokenizer(TOKENIZER.pieces, False)
  with pytest.raises(InputError, match=r'another vocabulary \(do_lower_case'):
    shards.Shards(made, tokenizer=cased)


def test_a_large_vocabulary_takes_four_bytes() -> None:
  assert wordpiece.piece_dtype(65_536) == np.dtype('<u2')
  assert wordpiece.piece_dtype(65_537) == np.dtype('<u4')


def test_two_bytes_a_piece(tmp_path: pathlib.Path) -> None:
  draw = np.random.default_rng(0)
  # As uneven as pieces are (Zipf), but without what repeats in a text.
  ids = np.minimum(draw.zipf(1.2, (3000, 400)), 28_995).astype('<u2')
  lengths = np.full(16, 25, '<u2').tobytes()
  entry = shards.write_shard(
    tmp_path,
    'train',
    0,
    1,
    [(shards.encode_document('x', r.tobytes(), lengths), 400, 16) for r in ids],
  )
  assert entry['bytes'] / ids.size < 2.2


def test_a_folder_that_is_not_there(tmp_path: pathlib.Path) -> None:
  with pytest.raises(InputError, match='none/corpus-train.*cannot be written'):
    shards.write_shard(tmp_path / 'none', 'train', 0, 1, [encoded(1)])


def test_what_fails_leaves_nothing(tmp_path: pathlib.Path) -> None:
  def failing() -> object:
    yield encoded(1)
    raise RuntimeError('disk')

  with pytest.raises(InputError, match='disk'):
    shards.write_shard(tmp_path, 'train', 0, 1, failing())  # type: ignore
  assert list(tmp_path.iterdir()) == []
  assert tf_example.decode(encoded(1)[0])['id'] == b'pmid:1'


def test_a_range_is_read_at_once(made: pathlib.Path) -> None:
  corpus = shards.Shards(made)
  for start, stop in ((0, 150), (38, 42), (99, 101), (140, 150), (7, 7)):
    found = corpus.read(start, stop)
    assert len(found) == stop - start
    assert all(same(d, start + i) for i, d in enumerate(found))


def test_a_range_names_the_record_at_fault(copy: pathlib.Path) -> None:
  flip(train(copy, 1), 1000)
  corpus = shards.Shards(copy)
  with pytest.raises(InputError, match='00001-of-00003: record [0-9]+ is dam'):
    corpus.read(0, 150)

"""Vectors written: NumPy's arrays, Parquet, lines as extract_features.py's."""

import json
import os

import numpy as np
import pytest
from pyarrow import parquet

from biobert_jax.errors import InputError
from biobert_jax.inference import embedding_files
from biobert_jax.io.atomic import atomic_write
from biobert_jax.text.documents import Document, Entity

PIECES = ('[PAD]', '[CLS]', '[SEP]', 'α', 'b')
TEXT = 'α b'
ENTITIES = (Entity(0, 1, 'Grüße', 'α'), Entity(0, 3, '', TEXT))
DRAW = np.random.default_rng(0).normal


def write(tmp_path, pooling, suffix, texts):
  path = tmp_path / f'out{suffix}'
  header = embedding_files.Header(pooling, (-1, -3), 5, PIECES)
  with atomic_write(path, binary=True) as file:
    embedding_files.WRITERS[suffix](file, header, iter(texts))
  assert os.listdir(tmp_path) == [path.name]
  return path


def arrays(tmp_path, pooling, texts):
  path = write(tmp_path, pooling, '.npz', texts)
  with np.load(path, allow_pickle=False) as stored:
    found = dict(stored)
  np.testing.assert_array_equal(found.pop('layers'), [-1, -3])
  return found


def lines(tmp_path, pooling, texts):
  path = write(tmp_path, pooling, '.jsonl', texts)
  return [json.loads(line) for line in path.read_text('ascii').splitlines()]


def table(tmp_path, pooling, texts):
  path = write(tmp_path, pooling, '.parquet', texts)
  found = parquet.read_table(path)
  assert found.schema.metadata[b'pooling'] == pooling.encode()
  path.unlink()
  vectors = [
    found.column(f'layer_{layer}').combine_chunks() for layer in (-1, -3)
  ]
  assert all(
    len(one.type.field(0).name) and one.type.list_size == 5 for one in vectors
  )
  stacked = [one.flatten().to_numpy().reshape(-1, 5) for one in vectors]
  rest = found.drop_columns(['layer_-1', 'layer_-3'])
  return rest.to_pydict(), np.stack(stacked, axis=1)


def text(name, count, entities=()):
  return embedding_files.Embedded(
    Document(name, TEXT, entities),
    DRAW(size=(count, 2, 5)).astype(np.float32),
    np.asarray([1, 3, 4, 2]),
    np.asarray([0, 0, 2, 3]),
    np.asarray([0, 1, 3, 3]),
    entities,
  )


def layers(vectors_of_layers):
  return [
    {'index': index, 'values': [round(float(x), 6) for x in vector]}
    for index, vector in zip((-1, -3), vectors_of_layers, strict=True)
  ]


@pytest.mark.parametrize('pooling', ['mean', 'cls'])
def test_texts(tmp_path, pooling):
  texts = [text('1', 1), text('', 1), text('a longer Ω 🧪', 1)]
  found = arrays(tmp_path, pooling, texts)
  assert found.pop('ids').tolist() == ['1', '', 'a longer Ω 🧪']
  wanted = np.concatenate([t.vectors for t in texts])
  np.testing.assert_array_equal(found.pop('vectors'), wanted)
  assert not found
  (tmp_path / 'out.npz').unlink()
  columns, vectors = table(tmp_path, pooling, texts)
  assert columns == {'id': ['1', '', 'a longer Ω 🧪']}
  np.testing.assert_array_equal(vectors, wanted)
  assert lines(tmp_path, pooling, texts)[2] == {
    'linex_index': 2,
    'id': 'a longer Ω 🧪',
    'layers': layers(texts[2].vectors[0]),
  }


def test_pieces(tmp_path):
  texts = [text('1', 4), text('2', 4)]
  found = arrays(tmp_path, 'tokens', texts)
  assert found['vectors'].shape == (8, 2, 5)
  np.testing.assert_array_equal(found['vectors'][4:], texts[1].vectors)
  assert found['offsets'].tolist() == [0, 4, 8]
  assert found['input_ids'].tolist() == [1, 3, 4, 2] * 2
  assert found['starts'].tolist() == [0, 0, 2, 3] * 2
  assert found['ends'].tolist() == [0, 1, 3, 3] * 2
  (tmp_path / 'out.npz').unlink()
  names = ('[CLS]', 'α', 'b', '[SEP]')
  columns, vectors = table(tmp_path, 'tokens', texts)
  np.testing.assert_array_equal(vectors, found['vectors'])
  assert columns == {
    'id': ['1'] * 4 + ['2'] * 4,
    'token': [*names] * 2,
    'start': [0, 0, 2, 3] * 2,
    'end': [0, 1, 3, 3] * 2,
  }
  # The form of google-research/bert extract_features.py, key by key.
  rows = lines(tmp_path, 'tokens', texts)
  assert json.dumps(rows[1]) == json.dumps(
    {
      'linex_index': 1,
      'features': [
        {'token': name, 'layers': layers(vector)}
        for name, vector in zip(names, texts[1].vectors, strict=True)
      ],
    }
  )


def test_entities(tmp_path):
  texts = [text('1', 2, ENTITIES), text('2', 0), text('3', 1, ENTITIES[:1])]
  found = arrays(tmp_path, 'entity', texts)
  np.testing.assert_array_equal(found['vectors'][:2], texts[0].vectors)
  np.testing.assert_array_equal(found['vectors'][2:], texts[2].vectors)
  assert found['text_index'].tolist() == [0, 0, 2]
  assert found['starts'].tolist() == [0, 0, 0]
  assert found['ends'].tolist() == [1, 3, 1]
  assert found['types'].tolist() == ['Grüße', '', 'Grüße']
  assert found['ids'].tolist() == ['1', '2', '3']
  (tmp_path / 'out.npz').unlink()
  columns, vectors = table(tmp_path, 'entity', texts)
  np.testing.assert_array_equal(vectors, found['vectors'])
  assert columns == {
    'id': ['1', '1', '3'],
    'type': ['Grüße', '', 'Grüße'],
    'text': ['α', TEXT, 'α'],
    'start': [0, 0, 0],
    'end': [1, 3, 1],
  }
  rows = lines(tmp_path, 'entity', texts)
  assert rows[1] == {'linex_index': 1, 'id': '2', 'entities': []}
  assert rows[0]['entities'][1] == {
    'start': 0,
    'end': 3,
    'type': '',
    'text': TEXT,
    'layers': layers(texts[0].vectors[1]),
  }


@pytest.mark.parametrize('pooling', embedding_files.POOLINGS)
def test_no_text_at_all(tmp_path, pooling):
  found = arrays(tmp_path, pooling, [])
  assert found['vectors'].shape == (0, 2, 5)
  assert found['ids'].shape == (0,)
  if pooling == 'tokens':
    assert found['offsets'].tolist() == [0]
  (tmp_path / 'out.npz').unlink()
  columns, vectors = table(tmp_path, pooling, [])
  assert set(map(len, columns.values())) == {0}
  assert vectors.shape == (0, 2, 5)


def test_row_groups_are_written_as_texts_come(tmp_path, monkeypatch):
  monkeypatch.setattr(embedding_files, '_ROW_GROUP_FLOATS', 40)
  texts = [text(str(n), n % 3, ENTITIES[: n % 3]) for n in range(11)]
  path = write(tmp_path, 'entity', '.parquet', texts)
  groups = parquet.ParquetFile(path).metadata
  assert [
    groups.row_group(i).num_rows for i in range(groups.num_row_groups)
  ] == [4, 5, 1]
  _, vectors = table(tmp_path, 'entity', texts)
  np.testing.assert_array_equal(
    vectors, np.concatenate([t.vectors for t in texts])
  )


@pytest.mark.parametrize('suffix', sorted(embedding_files.WRITERS))
def test_equal_vectors_make_equal_files(tmp_path, suffix):
  texts = [text('1', 1)]
  first = write(tmp_path, 'mean', suffix, texts).read_bytes()
  assert write(tmp_path, 'mean', suffix, texts).read_bytes() == first


def test_half_a_file_is_never_seen(tmp_path):
  def broken():
    yield text('1', 1)
    raise InputError('line 2 is wrong')

  (tmp_path / 'out.npz').write_bytes(b'before')
  with pytest.raises(InputError, match='line 2'):
    write(tmp_path, 'mean', '.npz', broken())
  assert os.listdir(tmp_path) == ['out.npz']
  assert (tmp_path / 'out.npz').read_bytes() == b'before'


def test_a_folder_is_no_file(tmp_path):
  (tmp_path / 'out.npz').mkdir()
  with pytest.raises(InputError, match='out.npz: is a folder; name a file'):
    write(tmp_path, 'mean', '.npz', [])

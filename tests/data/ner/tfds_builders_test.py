"""The TFDS builders give what the reader gives, in its order."""

import re

import pytest
import tensorflow_datasets as tfds

from biobert_jax.data.ner import tfds_builders
from biobert_jax.errors import InputError

NAMES = [
  'ncbi_disease',
  'i2b22010',
  'bc5cdr_disease',
  'bc5cdr_chem',
  'bc4chemd',
  'bc2gm',
  'jnlpba',
  'linnaeus',
  'species800',
]


def write_corpus(folder, splits=('train', 'devel', 'test')):
  folder.mkdir(parents=True, exist_ok=True)
  for split in splits:
    lines = ''.join(f'{split}{n}\tB\nα\tO\n\n' for n in range(12))
    (folder / f'{split}.tsv').write_text(lines, encoding='utf-8')


def rows(data_dir, split, name='ncbi_disease'):
  source = tfds.data_source(name, split=split, data_dir=data_dir)
  return [
    (
      row['id'].decode(),
      [t.decode() for t in row['tokens']],
      [t.decode() for t in row['tags']],
    )
    for row in source
  ]


def test_one_builder_for_each_corpus_of_the_paper():
  assert list(tfds_builders.BUILDERS) == NAMES
  for name, builder in tfds_builders.BUILDERS.items():
    assert tfds.builder_cls(name) is builder
    assert getattr(tfds_builders, builder.__name__) is builder
    assert f'MANUAL_DIR/{name}/' in builder.MANUAL_DOWNLOAD_INSTRUCTIONS
    corpus = tfds_builders.CORPORA[builder.__name__]
    assert re.match(
      r'@article\{\w+,\n(  \w+ = \{.+\},?\n)+\}$', corpus.citation
    )


@pytest.mark.parametrize('inside', ['', 'ncbi_disease'])
def test_prepared_data_is_what_the_reader_reads(tmp_path, inside):
  write_corpus(tmp_path / 'manual' / inside)
  data_dir = tmp_path / 'tfds'
  arguments = ('ncbi_disease', tmp_path / 'manual', data_dir, 'array_record')
  counts = tfds_builders.prepare(*arguments)
  assert counts == {'train': 12, 'devel': 12, 'test': 12}
  for split in counts:
    assert rows(data_dir, split) == [
      (f'{split}-{n}', [f'{split}{n}', 'α'], ['B', 'O']) for n in range(12)
    ]
  assert tfds_builders.prepare(*arguments) == counts


def test_the_default_format_is_read_by_tfds_load(tmp_path):
  write_corpus(tmp_path / 'manual')
  counts = tfds_builders.prepare(
    'bc2gm', tmp_path / 'manual', tmp_path / 'tfds'
  )
  assert counts['train'] == 12
  dataset = tfds.load('bc2gm', split='test', data_dir=tmp_path / 'tfds')
  got = [row['tokens'][0] for row in tfds.as_numpy(dataset)]
  assert got == [f'test{n}'.encode() for n in range(12)]


def test_a_test_set_may_be_kept_back(tmp_path):
  write_corpus(tmp_path / 'manual', splits=('train', 'devel'))
  counts = tfds_builders.prepare(
    'jnlpba', tmp_path / 'manual', tmp_path / 'tfds', 'array_record'
  )
  assert counts == {'train': 12, 'devel': 12}


@pytest.mark.parametrize(
  ('name', 'format_', 'match'),
  [
    ('ncbi', 'array_record', 'there are ncbi_disease, i2b22010'),
    ('bc2gm', 'parquet', 'is not tfrecord or array_record'),
    ('bc2gm', 'array_record', r'no train\.tsv\. Put train\.tsv'),
  ],
)
def test_bad_requests(tmp_path, name, format_, match):
  (tmp_path / 'manual').mkdir()
  with pytest.raises(InputError, match=match):
    tfds_builders.prepare(name, tmp_path / 'manual', tmp_path / 'tfds', format_)
  assert not (tmp_path / 'tfds').exists()


def test_bad_content_is_found_by_line_and_leaves_no_data(tmp_path):
  write_corpus(tmp_path / 'manual')
  path = tmp_path / 'manual' / 'test.tsv'
  path.write_text('a\tB\n\tO\n')
  with pytest.raises(InputError, match=rf'^{path}:2: .* is empty') as error:
    tfds_builders.prepare(
      'bc2gm', tmp_path / 'manual', tmp_path / 'tfds', 'array_record'
    )
  assert '\n' not in str(error.value)
  assert not list((tmp_path / 'tfds' / 'bc2gm').glob('1.0.0'))

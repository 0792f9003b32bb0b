"""What is given to prepare: files at fault, files that are none, paragraphs.

Also `data/pretraining/corpus_warnings.py` and
`preprocessing/token_shards/output_folder.py`.
"""

import gzip
import pathlib
import re
from typing import Any

import pytest

from biobert_jax.data.pretraining import corpus_warnings
from biobert_jax.data.pretraining import manifest as pretraining_manifest
from biobert_jax.data.pretraining.shards import Shards
from biobert_jax.errors import InputError
from biobert_jax.preprocessing.token_shards import prepare
from biobert_jax.text.readers.article import Options
from tests.fixtures.corpus_files import pubmed, record
from tests.fixtures.prepared_corpora import TOKENIZER

SHARDS = ('corpus-*', 'lengths-*')


def make(
  inputs: pathlib.Path, output: pathlib.Path, **options: Any
) -> dict[str, Any]:
  options = {'workers': 1, 'num_shards': 2, **options}
  return prepare.prepare([f'{inputs}/*'], output, TOKENIZER, **options)


@pytest.fixture
def files(tmp_path: pathlib.Path) -> pathlib.Path:
  """A folder of three good files, one that is cut and what lies beside."""
  folder = tmp_path / 'in'
  folder.mkdir()
  for name in 'abcd':
    rows = [record(f'{ord(name)}{number}') for number in range(40)]
    content = gzip.compress(pubmed(*rows))
    (folder / f'{name}.xml.gz').write_bytes(content)
  # One of its records is read before the cut shows.
  content = (folder / 'b.xml.gz').read_bytes()
  (folder / 'b.xml.gz').write_bytes(content[:-9])
  (folder / 'b.xml.gz.md5').write_text('MD5(b.xml.gz)= 00')
  return folder


def test_a_bad_file_ends_the_run_or_leaves_no_trace_but_its_name(
  files: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  with pytest.raises(InputError, match=r'b\.xml\.gz: cut or damaged'):
    make(files, tmp_path / 'stopped')
  skipped = make(files, tmp_path / 'out', on_error='skip')
  assert skipped['counts']['files skipped'] == 1
  assert skipped['inputs']['files'] == 4
  assert skipped['inputs']['skipped'] == 1
  notes = (tmp_path / 'out' / 'dropped.tsv').read_text()
  assert notes.count('\n') == 2
  assert f'files skipped\t{files}/b.xml.gz: cut' in notes
  (files / 'b.xml.gz').unlink()
  clean = make(files, tmp_path / 'clean')
  for pattern in SHARDS:
    for path in (tmp_path / 'clean').glob(pattern):
      assert path.read_bytes() == (tmp_path / 'out' / path.name).read_bytes()
  assert clean['splits'] == skipped['splits']
  assert clean['readers'] == skipped['readers']


def test_too_many_bad_files_are_an_error_and_more_may_be_allowed(
  files: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  (files / 'c.xml.gz').write_bytes(b'\x1f\x8b')
  options: dict[str, Any] = {'on_error': 'skip', 'keep_parts': True}
  with pytest.raises(InputError, match='2 of 4 files .* 1 may be') as raised:
    make(files, tmp_path / 'out', **options)
  assert 'raise --max_errors' in str(raised.value)
  # The same folder goes on; what was skipped is not forgotten.
  with pytest.raises(InputError, match='0 may be skipped: .*--on_error=skip'):
    make(files, tmp_path / 'out')
  done = make(files, tmp_path / 'out', max_errors='50%', **options)
  assert done['counts']['files skipped'] == 2


@pytest.mark.parametrize(
  ('given', 'most'),
  [('1%', 13), ('0.0001', 1), ('2 %', 26), ('5', 5), ('0', 0), ('1.0', 1300)],
)
def test_a_number_of_files_or_a_share(given: str, most: int) -> None:
  assert prepare.most_errors('skip', given, 1300) == most


@pytest.mark.parametrize('given', ['x', '-1', '101%', '1.5', '', 'nan', '9999'])
def test_another_number_of_files_is_refused(given: str) -> None:
  with pytest.raises(InputError, match='--max_errors is .*; give a number of'):
    prepare.most_errors('skip', given, 1300)


def test_folders_of_before_the_choice_of_sentences_open_and_resume(
  tmp_path: pathlib.Path,
) -> None:
  (tmp_path / 'in').mkdir()
  (tmp_path / 'in' / 'a.txt').write_text('The gene.\nIt is.\n\nA cell.\n')
  made = make(tmp_path / 'in', tmp_path / 'out')
  path = tmp_path / 'out' / pretraining_manifest.MANIFEST
  old = path.read_text().replace(',\n      "sentences": "auto"', '')
  assert 'sentences": "auto' not in old
  path.write_text(old.replace('    "skipped": 0,\n', '').replace('    ,', ''))
  again = make(tmp_path / 'in', tmp_path / 'out')
  assert again['splits'] == made['splits']
  split = Options(sentences='split')
  with pytest.raises(InputError, match=r'of other options \(reading\)'):
    make(tmp_path / 'in', tmp_path / 'out', reading=split)


@pytest.mark.parametrize(
  ('text', 'options', 'warned'),
  [
    ('The gene. It is.\n\nA cell. It is.', {}, ''),
    ('The gene. It is.\n\nA cell. It is.', {'sentences': 'lines'}, 'have one'),
    ('the gene ' * 300 + '\nIt is.', {}, r'\d % of the tokens are dropped'),
  ],
)  # fmt: skip
def test_what_next_sentence_prediction_cannot_use_is_said(
  tmp_path: pathlib.Path, text: str, options: dict[str, str], warned: str
) -> None:
  (tmp_path / 'in').mkdir()
  (tmp_path / 'in' / 'a.txt').write_text(text)
  reading = Options(**options)  # type: ignore[arg-type]
  make(tmp_path / 'in', tmp_path / 'out', reading=reading, held_out=0)
  lines = corpus_warnings.warnings_of(Shards(tmp_path / 'out'), 128)
  assert len(lines) == bool(warned)
  for line in lines:
    assert re.search(warned, line)
    assert '--sentences=split' in line
    assert '--config.data.next_sentence=false' in line

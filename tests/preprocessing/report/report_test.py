"""The report on shards: what it says, and that it adds up."""

import json
import pathlib

import pytest

from biobert_jax.data.pretraining import manifest as pretraining_manifest
from biobert_jax.errors import InputError
from biobert_jax.preprocessing.report import report as corpus_report
from biobert_jax.preprocessing.report import shard_statistics as statistics
from biobert_jax.preprocessing.report.shard_statistics import UnknownWords
from biobert_jax.preprocessing.token_shards import prepare
from tests.fixtures import small_corpus
from tests.fixtures.small_corpus import TOKENIZER


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
  return small_corpus.make(
    tmp_path_factory.mktemp('corpus'), exclude_ids=['7', 'PMC1']
  )


@pytest.fixture(scope='module')
def found(folder: pathlib.Path) -> statistics.Statistics:
  return statistics.measure(folder, TOKENIZER)


def rows(text: str) -> list[list[str]]:
  lines = [line for line in text.splitlines() if line.startswith('|')]
  return [[c.strip() for c in line.strip('|').split('|')] for line in lines]


def test_the_report_in_files(
  folder: pathlib.Path, found: statistics.Statistics, tmp_path: pathlib.Path
) -> None:
  unknown = UnknownWords(64, 130, (('∑9', 65), ('☃', 65)))
  text = corpus_report.write_report(folder, tmp_path / 'a', found, unknown)
  files = {path.name: path for path in (tmp_path / 'a').iterdir()}
  assert files.keys() == {'report.md', 'report.html', 'lengths.png'}
  assert files['report.md'].read_text() == text
  assert files['lengths.png'].read_bytes().startswith(b'\x89PNG')
  assert 'data:image/png;base64,iVBOR' in files['report.html'].read_text()
  counts = pretraining_manifest.read_manifest(folder)['splits']
  for split, part in counts.items():
    (row,) = (row for row in rows(text) if row[0] == split and len(row) == 8)
    assert row[1] == f'{part["counts"]["documents"]:,}'
    assert row[5] == f'{part["counts"]["unknown pieces"]:,}'
  assert ['☃', '65', 'U+2603'] in rows(text)
  assert ['cells', '63', '2', 'cell ##s'] in rows(text)
  assert 'Every record was read.' in text
  again = corpus_report.write_report(folder, tmp_path / 'b', found, unknown)
  assert again == text
  for name, path in files.items():
    assert (tmp_path / 'b' / name).read_bytes() == path.read_bytes()


def test_what_stands_out_is_said(
  folder: pathlib.Path, found: statistics.Statistics, tmp_path: pathlib.Path
) -> None:
  text = corpus_report.write_report(folder, tmp_path, found)
  assert 'the vocabulary lacks characters' in text  # ∑ and ☃.
  assert '--input' in text
  assert 'have one sentence, which' not in text
  assert 'Nothing is held out' not in text
  lone = tmp_path / 'lone.txt'
  lone.write_text('The gene.\n\nIt is.\n\nA cell.\nSeen.\n')
  corpus = tmp_path / 'out'
  prepare.prepare(
    [str(lone)], corpus, TOKENIZER, workers=1, num_shards=1, held_out=0
  )
  other = statistics.measure(corpus, TOKENIZER)
  assert other.one_sentence == 2
  text = corpus_report.write_report(corpus, tmp_path / 'other', other)
  assert '66.7 % of the documents have one sentence, which' in text
  assert 'Nothing is held out' in text
  assert 'lacks characters' not in text
  assert corpus_report.summary(other)['one_sentence'] == 2


def test_a_sample_is_called_one(
  folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  found = statistics.measure(folder, TOKENIZER, sample=5)
  text = corpus_report.write_report(folder, tmp_path, found)
  assert 'are of 5 documents drawn at random' in text
  assert 'Documents of the sample by the kind' in text
  without = statistics.measure(folder, None)
  text = corpus_report.write_report(folder, tmp_path, without)
  assert 'name it with --vocab' in text
  assert 'Words that cost most' not in text


def test_figures_for_programs(found: statistics.Statistics) -> None:
  figures = json.loads(json.dumps(corpus_report.summary(found)))
  counts = found.manifest['counts']
  assert figures['pieces'] == counts['pieces']
  assert figures['unknown_rate'] == pytest.approx(
    counts['unknown pieces'] / counts['pieces'], abs=1e-6
  )
  assert figures['pieces_per_word'] == pytest.approx(
    counts['pieces'] / counts['words'], abs=1e-3
  )
  assert figures['fill'].keys() == figures['too_long'].keys() == {'128', '512'}


def test_a_place_that_cannot_be_written(
  folder: pathlib.Path, found: statistics.Statistics, tmp_path: pathlib.Path
) -> None:
  (tmp_path / 'file').write_text('')
  with pytest.raises(InputError, match='file: cannot be written .*--output'):
    corpus_report.write_report(folder, tmp_path / 'file', found)

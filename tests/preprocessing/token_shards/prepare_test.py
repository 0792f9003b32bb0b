"""The pipeline: the same corpus however it was made, and all accounted for."""

import json
import os
import pathlib
import random
import signal
import time
from typing import Any

import pytest

from biobert_jax.data.pretraining import manifest as pretraining_manifest
from biobert_jax.data.pretraining import shards
from biobert_jax.errors import InputError
from biobert_jax.preprocessing.token_shards import prepare, stages
from biobert_jax.text.readers.article import Options
from biobert_jax.text.wordpiece import WordPieceTokenizer
from tests.fixtures.prepared_corpora import (
  TOKENIZER,
  child,
  digests,
  kill,
  lines,
  write_inputs,
)

TINY = prepare.Sizes(unit=1, run=2000, group=3000, shard=1 << 20)


def make(inputs: Any, output: pathlib.Path, **options: Any) -> dict[str, Any]:
  options = {'workers': 1, 'sizes': TINY, 'num_shards': 3, **options}
  patterns = [inputs] if isinstance(inputs, str) else inputs
  return prepare.prepare(patterns, output, TOKENIZER, **options)


@pytest.fixture(scope='module')
def inputs(tmp_path_factory: pytest.TempPathFactory) -> str:
  return write_inputs(tmp_path_factory.mktemp('corpus') / 'in')


@pytest.fixture(scope='module')
def unbroken(
  inputs: str, tmp_path_factory: pytest.TempPathFactory
) -> pathlib.Path:
  folder = tmp_path_factory.mktemp('unbroken') / 'out'
  make(inputs, folder)
  return folder


def all_documents(folder: pathlib.Path) -> dict[str, list[int]]:
  return {
    document.id: document.input_ids.tolist()
    for split in pretraining_manifest.read_manifest(folder)['splits']
    for document in shards.Shards(folder, split, verify='all')
  }


def test_every_article_once_and_the_later_one(
  inputs: str, unbroken: pathlib.Path
) -> None:
  expected = {}
  for path in sorted(pathlib.Path(inputs).parent.iterdir()):
    for line in path.read_text().splitlines():
      record = json.loads(line)
      text = record['title'] + ' ' + record['abstract']
      expected[record['id']] = TOKENIZER.encode(text)[0]
  assert all_documents(unbroken) == expected
  manifest = pretraining_manifest.read_manifest(unbroken)
  counts = manifest['counts']
  assert counts['articles read'] == 240
  assert counts['repeated'] == 15
  assert counts['articles kept'] == counts['documents'] == 225
  assert counts['pieces'] == sum(map(len, expected.values()))
  notes = (unbroken / 'dropped.tsv').read_text().splitlines()
  repeated = [line.split('\t') for line in notes if line.startswith('rep')]
  assert len(repeated) == 15
  assert ['repeated', 'a55', '00.jsonl'] in repeated


def test_the_manifest_says_what_is_there(unbroken: pathlib.Path) -> None:
  manifest = pretraining_manifest.read_manifest(unbroken)
  totals: dict[str, int] = {}
  for split, part in manifest['splits'].items():
    corpus = shards.Shards(unbroken, split)
    assert len(corpus) == part['counts']['documents']
    assert corpus.lengths.sum() == part['counts']['pieces']
    assert corpus.sentence_counts.sum() == part['counts']['sentences']
    for name, count in part['counts'].items():
      totals[name] = totals.get(name, 0) + count
  assert totals.items() <= manifest['counts'].items() | {('unknown pieces', 0)}
  assert len(manifest['splits']['train']['shards']) == 3
  assert not (unbroken / 'parts').exists()
  assert manifest['code']['version']


def test_the_split_is_by_id_and_stays(
  inputs: str, unbroken: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  few = {d.id for d in shards.Shards(unbroken, 'validation')}
  assert 0 < len(few) < 10
  make(inputs, tmp_path / 'more', held_out=0.3)
  more = {d.id for d in shards.Shards(tmp_path / 'more', 'validation')}
  assert few < more
  assert 40 < len(more) < 100
  make(inputs, tmp_path / 'none', held_out=0.0)
  assert list(
    pretraining_manifest.read_manifest(tmp_path / 'none')['splits']
  ) == ['train']
  assert len(shards.Shards(tmp_path / 'none')) == 225


def test_workers_and_sizes_change_nothing(
  inputs: str, unbroken: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  make(inputs, tmp_path / 'out', workers=2, sizes=prepare.Sizes())
  assert digests(tmp_path / 'out') == digests(unbroken)


def test_a_small_corpus_holds_out_its_first_article(
  tmp_path: pathlib.Path,
) -> None:
  lines(tmp_path / 'in.jsonl', {f'b{i}': 'cell' for i in range(3)})
  manifest = make(str(tmp_path / 'in.jsonl'), tmp_path / 'out')
  counts = {k: v['counts']['documents'] for k, v in manifest['splits'].items()}
  assert counts == {'validation': 1, 'train': 2}
  assert manifest['counts']['articles kept'] == 3
  assert len(all_documents(tmp_path / 'out')) == 3


PUBMED = """<?xml version="1.0"?>
<PubmedArticleSet>{}</PubmedArticleSet>"""
RECORD = """<PubmedArticle><MedlineCitation><PMID Version="{}">{}</PMID>
<Article><ArticleTitle>On {}.</ArticleTitle><Abstract><AbstractText>The {} cell.
</AbstractText></Abstract><Language>eng</Language></Article></MedlineCitation>
</PubmedArticle>"""


def test_versions_and_deletions_across_files(tmp_path: pathlib.Path) -> None:
  deletion = '<DeleteCitation><PMID Version="1">3</PMID></DeleteCitation>'
  first = [(1, 1, 'a'), (2, 2, 'b'), (1, 3, 'c'), (1, 4, 'd')]
  second = [(1, 1, 'e'), (1, 2, 'f')]
  for name, rows, end in (('1', first, ''), ('2', second, deletion)):
    text = ''.join(RECORD.format(v, id, word, word) for v, id, word in rows)
    (tmp_path / f'{name}.xml').write_text(PUBMED.format(text + end))
  manifest = make(str(tmp_path / '*.xml'), tmp_path / 'out')
  words = {'pmid:1': 'e', 'pmid:2': 'b', 'pmid:4': 'd'}
  expected = {
    id: TOKENIZER.encode(f'On {word}. The {word} cell.')[0]
    for id, word in words.items()
  }
  assert all_documents(tmp_path / 'out') == expected
  counts = manifest['counts']
  assert (counts['articles read'], counts['articles kept']) == (6, 3)
  assert (counts['repeated'], counts['deleted'], counts['deletions']) == (
    2,
    1,
    1,
  )


def test_articles_are_left_out_by_any_of_their_ids(
  tmp_path: pathlib.Path,
) -> None:
  rows = [
    {'pmcid': f'PMC{i}', 'pmid': str(100 + i), 'title': 'a', 'abstract': 'b'}
    for i in range(5)
  ]
  path = tmp_path / 'in.jsonl'
  path.write_text('\n'.join(map(json.dumps, rows)))
  ids = ['101', 'pmc2', 'pmid:104']
  manifest = make(str(path), tmp_path / 'out', exclude_ids=ids, held_out=0.0)
  assert set(all_documents(tmp_path / 'out')) == {'pmcid:PMC0', 'pmcid:PMC3'}
  assert manifest['counts']['excluded'] == 3
  assert manifest['options']['excluded_ids'] == 3
  assert 'excluded\tpmcid:PMC2' in (tmp_path / 'out/dropped.tsv').read_text()


def test_choices_of_the_readers_are_heeded(tmp_path: pathlib.Path) -> None:
  lines(tmp_path / 'in.jsonl', {'a': 'cell', 'b': '', 'c': 'gene'})
  path = str(tmp_path / 'in.jsonl')
  manifest = make(path, tmp_path / 'one', held_out=0.0)
  assert manifest['counts']['documents'] == 2
  manifest = make(
    path, tmp_path / 'two', held_out=0.0, reading=Options(title_only=True)
  )
  assert manifest['counts']['documents'] == 3


def test_a_finished_corpus_is_not_made_again(
  inputs: str, unbroken: pathlib.Path
) -> None:
  before = {p: p.stat().st_mtime_ns for p in unbroken.iterdir()}
  make(inputs, unbroken, workers=2)
  assert before == {p: p.stat().st_mtime_ns for p in unbroken.iterdir()}


def test_a_folder_of_other_options_is_refused(
  inputs: str, unbroken: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  other = WordPieceTokenizer((*TOKENIZER.pieces, 'z9'), True)
  with pytest.raises(InputError, match=r'other vocabulary \(sha256, size\)'):
    prepare.prepare([inputs], unbroken, other)
  with pytest.raises(InputError, match=r'other options \(held_out\)'):
    make(inputs, unbroken, held_out=0.5)
  with pytest.raises(InputError, match='other inputs'):
    make(inputs.replace('*', '00'), unbroken)
  (tmp_path / 'mine').write_text('')
  with pytest.raises(InputError, match='holds something else'):
    make(inputs, tmp_path)


def test_a_folder_begun_with_another_vocabulary_is_refused(
  inputs: str, tmp_path: pathlib.Path
) -> None:
  (tmp_path / 'bad.jsonl').write_text('{"id": 1\n')
  bad = str(tmp_path / 'bad.jsonl')
  with pytest.raises(InputError, match='bad.jsonl:1'):
    make([inputs, bad], tmp_path / 'out')
  assert len(list((tmp_path / 'out/parts').glob('*.part'))) == 4
  assert not list((tmp_path / 'out').rglob('*.tmp'))
  other = WordPieceTokenizer((*TOKENIZER.pieces, 'z9'), True)
  with pytest.raises(InputError, match=r'asked.json: .* other vocabulary'):
    prepare.prepare([inputs], tmp_path / 'out', other)


def test_finished_files_are_not_read_again(
  inputs: str, unbroken: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  (tmp_path / 'z.jsonl').write_text('{"id": 1\n')
  with pytest.raises(InputError):
    make([inputs, str(tmp_path / 'z.jsonl')], tmp_path / 'out')
  parts = sorted((tmp_path / 'out/parts').glob('*.part'))
  before = [path.stat().st_mtime_ns for path in parts]
  assert len(parts) == 4
  make(inputs, tmp_path / 'out', keep_parts=True)
  assert [path.stat().st_mtime_ns for path in parts] == before
  parts_folder = tmp_path / 'out/parts'
  assert parts_folder.exists()
  assert digests(tmp_path / 'out') == digests(unbroken)


@pytest.mark.parametrize(
  ('text', 'what'),
  [
    ('', 'empty'),
    (
      '{"id": "1", "title": "", "abstract": ""}',
      r'nothing .*\(json_lines 1, .*no_text 1',
    ),
    ('{"id": "1", "title": "a", "abstract": "b"}', 'holds one article'),
    ('{"id": "1", "title": "基因", "abstract": "这是基因"}', 'not_latin'),
  ],
)
def test_input_without_a_corpus(
  tmp_path: pathlib.Path, text: str, what: str
) -> None:
  (tmp_path / 'in.jsonl').write_text(text)
  with pytest.raises(InputError, match=what):
    make(str(tmp_path / 'in.jsonl'), tmp_path / 'out')


def test_wrong_options_are_refused_before_anything_is_written(
  inputs: str, tmp_path: pathlib.Path
) -> None:
  out = tmp_path / 'out'
  for options in (
    {'held_out': 1.0},
    {'held_out': float('nan')},
    {'workers': 0},
    {'num_shards': 0},
  ):
    with pytest.raises(InputError):
      make(inputs, out, **options)
  with pytest.raises(InputError, match='no file matches'):
    make([inputs, str(tmp_path / '*.gone')], out)
  with pytest.raises(InputError, match='no input'):
    make([], out)
  assert not out.exists()
  (tmp_path / 'file').write_text('')
  with pytest.raises(InputError, match='cannot be written'):
    make(inputs, tmp_path / 'file')


def test_names_are_as_short_as_they_can_be(tmp_path: pathlib.Path) -> None:
  for name in ('a/x/1.txt', 'b/x/1.txt', 'b/x/2.txt'):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text('a')
  found = prepare.find_inputs([f'{tmp_path}/b/**', f'{tmp_path}/**/1.txt'])
  assert [file.name for file in found] == ['b/x/1.txt', '2.txt', 'a/x/1.txt']


@pytest.mark.parametrize(
  ('sizes', 'groups'),
  [
    ([300_000] * 3, [1, 1, 1]),
    ([100_000] * 7, [3, 3, 1]),
    ([10] * 2500, [1000, 1000, 500]),
    ([2 << 30, 9 << 20, 9 << 20, 1], [1, 1, 1, 1]),
    ([2 << 30] * 20 + [9 << 20] * 3, [1] * 20 + [2, 1]),
  ],
)
def test_small_files_share_a_part(
  tmp_path: pathlib.Path, sizes: list[int], groups: list[int]
) -> None:
  files = [stages.InputFile(f'/{i}', f'{i}', n, 0) for i, n in enumerate(sizes)]
  asked = {
    'vocabulary': {},
    'options': {'excluded_sha256': '', 'reading': {}},
  }
  units = prepare.plan_units(files, tmp_path, asked, prepare.Sizes())
  assert [len(unit.files) for unit in units] == groups
  assert [file for unit in units for file in unit.files] == files
  assert len({unit.path for unit in units}) == len(units)


def test_a_full_disk_is_one_error_and_costs_nothing_else(
  inputs: str, unbroken: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  process = child(tmp_path, inputs, limit=1 << 16)  # A shard takes more.
  output, _ = process.communicate(timeout=180)
  assert process.returncode == 3, output
  assert output.count('\n') == 1
  assert 'run again: fini' in output or 'finished is kept' in output
  assert not list((tmp_path / 'out').rglob('*.tmp'))
  make(inputs, tmp_path / 'out')
  assert digests(tmp_path / 'out') == digests(unbroken)


def test_killed_at_any_moment_and_started_again(
  inputs: str, unbroken: pathlib.Path, tmp_path: pathlib.Path
) -> None:
  draw = random.Random()
  seen = []
  for _ in range(3):
    process = child(tmp_path, inputs)
    made = tmp_path / 'out'
    while not (made / 'parts/lock').exists() and process.poll() is None:
      time.sleep(0.01)
    time.sleep(draw.uniform(0, 1.2))
    kill(process)
    seen.append(sorted(p.name for p in made.rglob('*')))
  process = child(tmp_path, inputs)
  output, _ = process.communicate(timeout=180)
  assert process.returncode == 0, output
  assert digests(tmp_path / 'out') == digests(unbroken), seen


def test_workers_end_with_their_parent(
  tmp_path: pathlib.Path,
) -> None:
  (tmp_path / 'in').mkdir()
  for name in 'ab':  # Long enough that they are still at work.
    path = tmp_path / 'in' / f'{name}.jsonl'
    lines(path, {f'{name}{i}': 'The cell was seen. ' * 99 for i in range(9000)})
  inputs = str(tmp_path / 'in' / '*.jsonl')
  process = child(tmp_path, inputs)
  workers: list[str] = []
  while len(workers) < 3:  # Two, and the tracker of their semaphores.
    path = f'/proc/{process.pid}/task/{process.pid}/children'
    workers = pathlib.Path(path).read_text().split()
    assert process.poll() is None
    time.sleep(0.05)
  time.sleep(0.3)
  kill(process)
  for _ in range(600):
    left = [pid for pid in workers if pathlib.Path(f'/proc/{pid}').exists()]
    if not left:
      break
    time.sleep(0.1)
  for pid in left:
    os.kill(int(pid), signal.SIGKILL)
  assert not left

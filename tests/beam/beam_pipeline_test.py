"""The Beam pipeline gives what the plain run gives, byte for byte.

`BIOBERT_BEAM_PYTHON` names a Python that has scripts/requirements-beam.txt;
without it all but one of these tests skip. Nothing here imports Beam.

Of `preprocessing/token_shards/beam_pipeline.py` and
`preprocessing/token_shards/beam_files.py`.
"""

import gzip
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from biobert_jax.data.pretraining import manifest as pretraining_manifest
from biobert_jax.data.pretraining import shards
from biobert_jax.preprocessing.token_shards import prepare
from biobert_jax.text.vocabulary import SPECIALS
from biobert_jax.text.wordpiece import WordPieceTokenizer
from tests.fixtures.corpus_files import jats, pubmed, record

VARIABLE = 'BIOBERT_BEAM_PYTHON'
PYTHON = os.environ.get(VARIABLE, '')
ROOT = pathlib.Path(__file__).resolve().parents[2]
COMMAND = ('-m', 'biobert_jax', 'prepare-corpus-beam')
LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789'
PIECES = (*SPECIALS, *LETTERS, *(f'##{c}' for c in LETTERS), '.')
TWO_PROCESSES = (
  '--runner=DirectRunner',
  '--direct_num_workers=2',
  '--direct_running_mode=multi_processing',
)

needs_beam = pytest.mark.skipif(
  not PYTHON, reason=f'no Beam: {VARIABLE} names no Python (CONTRIBUTING.md)'
)


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
  """A folder with a vocabulary, and input of every kind in `in`."""
  (tmp_path / 'vocab.txt').write_text('\n'.join(PIECES) + '\n')
  into = tmp_path / 'in'
  into.mkdir()
  texts = [f'<AbstractText>Gene {i}. It was.</AbstractText>' for i in range(40)]
  first = [record(str(i), abstract=text) for i, text in enumerate(texts)]
  (into / 'a.xml.gz').write_bytes(gzip.compress(pubmed(*first, record('99'))))
  update = [
    record('3', abstract='<AbstractText>The second.</AbstractText>'),
    record('7', title='Later.', version='2'),
    record('8', title='A title without abstract.', abstract=''),
    '<DeleteCitation><PMID Version="1">5</PMID></DeleteCitation>',
  ]
  (into / 'b.xml.gz').write_bytes(gzip.compress(pubmed(*update)))
  # An earlier version that is read later.
  last = [record('7', title='Version 1.'), record('9')]
  (into / 'c.xml').write_bytes(pubmed(*last, record('11', title='Again.')))
  (into / 'd.nxml').write_bytes(
    jats('<sec><title>Methods</title><p>We did. It was.</p></sec>')
  )
  rows = [
    {'id': f'j{i}', 'title': 'A.', 'abstract': f'B {i}.'} for i in range(20)
  ]
  # The last has no piece, so it does not count.
  blank = {'id': 'j1', 'title': '\u200b', 'abstract': '\u200b \u200b'}
  rows += [rows[0], blank]
  (into / 'e.jsonl').write_text('\n'.join(map(json.dumps, rows)))
  lines = 'A gene e.g. here.\nIt is Σ and é.\n\nAnother one.\n\n'
  (into / 'f.txt').write_text(lines, 'utf-8')
  (tmp_path / 'ids').write_text('99\nj4\n')
  return tmp_path


def run(
  *arguments: object,
  program: Sequence[object] = COMMAND,
  python: str = PYTHON,
) -> subprocess.CompletedProcess[str]:
  return subprocess.run(
    [python, *map(str, (*program, *arguments))],
    capture_output=True,
    text=True,
    encoding='utf-8',
    cwd=ROOT.anchor,  # Installed, or on the path, it runs from anywhere.
    env=os.environ | {'PYTHONPATH': str(ROOT)},
  )


def options(folder: pathlib.Path) -> list[str]:
  return [
    *('--vocab', f'{folder}/vocab.txt', '--do_lower_case', 'true'),
    *('--exclude', f'{folder}/ids', '--shards', '3', '--held_out', '0.1'),
  ]


def plain(folder: pathlib.Path, **changed: Any) -> pathlib.Path:
  prepare.prepare(
    [f'{folder}/in/*'],
    folder / 'plain',
    WordPieceTokenizer(PIECES, True),
    workers=1,
    **{
      'exclude_ids': ['99', 'j4'],
      'num_shards': 3,
      'held_out': 0.1,
      **changed,
    },
  )
  return folder / 'plain'


def contents(folder: pathlib.Path) -> dict[str, bytes]:
  return {path.name: path.read_bytes() for path in folder.iterdir()}


def documents(folder: pathlib.Path) -> list[tuple[str, str, bytes, bytes]]:
  return [
    (
      split,
      document.id,
      document.input_ids.tobytes(),
      document.sentence_lengths.tobytes(),
    )
    for split in (pretraining_manifest.TRAIN, pretraining_manifest.HELD_OUT)
    for document in shards.Shards(folder, split, verify='all')
  ]


@needs_beam
def test_two_processes_write_what_the_plain_run_writes(
  folder: pathlib.Path,
) -> None:
  whole = (folder / 'in' / 'a.xml.gz').read_bytes()
  (folder / 'in' / 'bad.xml.gz').write_bytes(whole[:-9])
  (folder / 'in' / 'LICENSE').write_text('No text.')
  expected = plain(folder, on_error='skip')
  made = folder / 'beam'
  given = [*options(folder), '--on_error=skip', *TWO_PROCESSES]
  child = run('--input', f'{folder}/in/*', '--output', made, *given)
  assert child.returncode == 0, child.stderr
  assert documents(made) == documents(expected)
  assert contents(made) == contents(expected)

  manifest = pretraining_manifest.read_manifest(made)
  counts = manifest['counts']
  # pmid 3, 7 and its first version again, 9, 11, and j0.
  assert counts['repeated'] == 6
  assert counts['deleted'] == counts['deletions'] == 1
  assert counts['excluded'] == 2
  assert counts['without text'] == 1
  assert counts['files skipped'] == manifest['inputs']['skipped'] == 1
  assert 'of 7 files 1 could not be read' in child.stderr
  assert json.loads(child.stdout)['counts'] == counts
  dropped = (made / 'dropped.tsv').read_text().splitlines()
  assert 'repeated\tpmid:3\ta.xml.gz' in dropped
  assert 'repeated\tpmid:7\tc.xml' in dropped
  assert 'deleted\tpmid:5\ta.xml.gz' in dropped


@needs_beam
def test_remote_files_repeated_work_and_empty_shards(
  folder: pathlib.Path,
) -> None:
  # Runners may do a piece of work twice: every bundle is.
  (folder / 'in' / 'a.xml.gz').unlink()
  few = {'num_shards': 200, 'held_out': 1e-9}
  expected = plain(folder, **few)
  child = run(
    *(folder, '--input', 'fake://in/*', '--output', 'fake://beam'),
    *(*options(folder), '--shards', 200, '--held_out', 1e-9),
    '--direct_runner_bundle_repeat=1',
    program=(pathlib.Path(__file__).with_name('remote_run.py'),),
  )
  assert child.returncode == 0, child.stderr
  assert contents(folder / 'beam') == contents(expected)
  manifest = pretraining_manifest.read_manifest(expected)
  assert manifest['splits']['validation']['counts']['documents'] == 1
  train = manifest['splits']['train']['shards']
  assert min(shard['records'] for shard in train) == 0


@needs_beam
@pytest.mark.parametrize('runner', [TWO_PROCESSES, ()])
def test_a_worker_names_the_file_in_one_line(
  folder: pathlib.Path, runner: tuple[str, ...]
) -> None:
  (folder / 'in' / 'b.jsonl').write_text('<html>no</html>')
  given = [*options(folder), *runner]
  child = run('--input', f'{folder}/in/*', '--output', folder / 'o', *given)
  assert child.returncode == 3
  errors = [
    line for line in child.stderr.splitlines() if line.startswith('error:')
  ]
  assert len(errors) == 1
  assert errors[0].startswith(f'error: {folder}/in/b.jsonl: a web page')
  assert 'while running' not in errors[0]
  # Processes of Beam's own say more.
  assert runner or 'Traceback' not in child.stderr
  assert not (folder / 'o' / 'manifest.json').exists()


@pytest.mark.skipif(
  importlib.util.find_spec('apache_beam') is not None, reason='Beam is here'
)
def test_without_beam_it_says_what_to_install(folder: pathlib.Path) -> None:
  given = ['--input', f'{folder}/in/*', '--output', f'{folder}/o']
  child = run(*given, *options(folder), python=sys.executable)
  assert child.returncode == 3
  assert 'scripts/requirements-beam.txt' in child.stderr
  assert 'Traceback' not in child.stderr

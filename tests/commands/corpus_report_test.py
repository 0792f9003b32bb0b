"""The command that reports on shards."""

import json
import pathlib
import subprocess
import sys

import pytest

from biobert_jax.commands.main import main
from tests.fixtures import small_corpus

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
  place = tmp_path_factory.mktemp('corpus')
  text = '\n'.join(small_corpus.PIECES) + '\n'
  (place / 'vocab.txt').write_text(text)
  small_corpus.make(place)
  return place


def test_a_report_without_jax_and_tensorflow(folder: pathlib.Path) -> None:
  code = (
    'import sys; sys.modules.update(jax=None, tensorflow=None)\n'
    'from biobert_jax.commands.main import main\n'
    'sys.exit(main())\n'
  )
  child = subprocess.run(
    [
      *(sys.executable, '-X', 'utf8', '-c', code),
      *('corpus-report', str(folder / 'out')),
      *('--vocab', str(folder / 'vocab.txt')),
      *('--input', str(folder / 'in/*.jsonl')),
    ],
    cwd=ROOT,
    capture_output=True,
    text=True,
    encoding='utf-8',
  )
  assert child.returncode == 0, child.stderr
  *text, last = child.stdout.splitlines()
  summary = json.loads(last)
  assert summary['documents'] == 70
  report = pathlib.Path(summary['report'])
  assert report == folder / 'out' / 'report' / 'report.html'
  assert '∑9' in report.read_text()
  written = report.with_suffix('.md').read_text()
  assert '\n'.join(text).rstrip() == written.rstrip()


def test_the_vocabulary_beside_the_shards(
  folder: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
  vocab = folder / 'out' / 'vocab.txt'
  kept = vocab.read_bytes()
  vocab.unlink()
  try:
    assert main(['corpus-report', str(folder / 'out'), '--texts', '1']) == 0
    assert 'name it with --vocab' in capsys.readouterr().out
    refused = main(['corpus-report', str(folder / 'out'), '--input', 'x'])
    assert refused == 3
    assert '--input: needs the vocabulary' in capsys.readouterr().err
  finally:
    vocab.write_bytes(kept)
  assert main(['corpus-report', str(folder / 'out'), '--texts', '1']) == 0
  out, _ = capsys.readouterr()
  assert 'name it with --vocab' not in out
  assert out.partition('## Documents')[2].count('### ') == 1


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (['in'], 'manifest.json: cannot be read'),
    (['out', '--vocab', 'other.txt'], 'name that one with --vocab'),
    (['out', '--sample', '-1'], 'at least 0'),
    (
      ['out', '--vocab', 'vocab.txt', '--input', 'x'],
      '--input x: no such',
    ),
  ],
)
def test_bad_input_is_one_line(
  arguments: list[str],
  message: str,
  folder: pathlib.Path,
  capsys: pytest.CaptureFixture[str],
  monkeypatch: pytest.MonkeyPatch,
) -> None:
  monkeypatch.chdir(folder)
  other = '\n'.join((*small_corpus.PIECES, 'more')) + '\n'
  pathlib.Path('other.txt').write_text(other)
  assert main(['corpus-report', *arguments]) == 3
  out, err = capsys.readouterr()
  assert out == ''
  assert message in err
  assert err.count('\n') == 1

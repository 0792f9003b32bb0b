"""The command that makes a corpus: what it prints, and what it refuses."""

import json
import pathlib
import subprocess
import sys

import pytest

from biobert_jax.commands import corpus
from biobert_jax.commands.main import main
from biobert_jax.data.pretraining.shards import Shards
from biobert_jax.errors import InputError
from biobert_jax.text.vocabulary import SPECIALS

ROOT = pathlib.Path(__file__).parents[2]
LETTERS = 'abcdefghijklmnopqrstuvwxyz'


@pytest.fixture
def arguments(tmp_path: pathlib.Path) -> list[str]:
  pieces = (*SPECIALS, *LETTERS, *(f'##{c}' for c in LETTERS), '.')
  (tmp_path / 'vocab.txt').write_text('\n'.join(pieces) + '\n')
  for name, ids in (('a', range(30)), ('b', range(25, 40))):
    text = ''.join(f'The gene {name}.\nIt is {i}.\n\n' for i in ids)
    (tmp_path / f'{name}.txt').write_text(text)
  return [
    *(
      'prepare-corpus',
      '--input',
      f'{tmp_path}/a.txt',
      '--input',
      f'{tmp_path}/b*.txt',
    ),
    *('--output', f'{tmp_path}/out', '--vocab', f'{tmp_path}/vocab.txt'),
    *('--do_lower_case', 'true', '--workers', '1', '--shards', '2'),
  ]


def test_a_corpus_from_the_command_line(
  arguments: list[str], tmp_path: pathlib.Path
) -> None:
  (tmp_path / 'ids').write_text('# a test set\na.txt:1\n\nb.txt:2  # why\n')
  arguments += ['--exclude', str(tmp_path / 'ids')]
  child = subprocess.run(
    [sys.executable, '-m', 'biobert_jax', *arguments],
    cwd=ROOT,
    capture_output=True,
    text=True,
  )
  assert child.returncode == 0, child.stderr
  (line,) = child.stdout.splitlines()
  summary = json.loads(line)
  assert summary['counts']['articles read'] == 45
  assert summary['counts']['excluded'] == 2
  assert summary['counts']['documents'] == 43
  assert summary['counts']['sentences'] == 86
  stored = json.loads(pathlib.Path(summary['manifest']).read_text())
  assert stored['counts'] == summary['counts']
  assert 'articles kept' in child.stderr
  assert '43' in child.stderr
  assert '%' not in child.stderr  # A bar is for a terminal.
  ids = {document.id for document in Shards(tmp_path / 'out')}
  assert not ids & {'a.txt:1', 'b.txt:2'}
  assert len(ids) > 30


def test_bad_input_is_one_line(
  arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
  arguments[2] = 'nowhere/*.gz'
  assert main(arguments) == 3
  out, err = capsys.readouterr()
  assert out == ''
  assert err.startswith("error: --input 'nowhere/*.gz': no file matches")
  assert err.count('\n') == 1


def test_casing_is_never_assumed(
  arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
  at = arguments.index('--do_lower_case')
  assert main(arguments[:at]) == 3
  assert 'prepare-corpus needs --do_lower_case' in capsys.readouterr().err
  assert main([*arguments, '--do_lower_case=yes']) == 3
  assert "is 'yes'; give true or false" in capsys.readouterr().err


def test_a_list_of_ids_that_cannot_be_read(tmp_path: pathlib.Path) -> None:
  (tmp_path / 'ids').write_bytes(b'1\n\xff\n')
  with pytest.raises(InputError, match='not UTF-8'):
    corpus.read_ids(str(tmp_path / 'ids'))
  with pytest.raises(InputError, match='gone: cannot be read'):
    corpus.read_ids(str(tmp_path / 'gone'))

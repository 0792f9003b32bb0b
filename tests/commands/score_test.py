"""The scoring tool: what it reads, prints, lists and refuses."""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

from biobert_jax.commands.main import main
from biobert_jax.io import atomic
from tests.fixtures import conlleval_cases
from tests.fixtures.scored_files import write_files

ROOT = pathlib.Path(__file__).parents[2]
SAMPLE = """\
Familial B-D B-D
cancer I-D I-D
of O O
BRCA1 B-G O

Aspirin B-C B-C
helps O B-D
"""
SCORES = {
  'precision': 66.67,
  'recall': 66.67,
  'f1': 66.67,
  'gold': 3,
  'predicted': 3,
  'correct': 2,
  'accuracy': 66.67,
}


@pytest.fixture
def ner(tmp_path, capsys):
  """Scores a text; returns exit code, lines of stdout, and stderr."""

  def run(content, *flags):
    path = tmp_path / 'predictions.txt'
    if isinstance(content, str):
      content = content.encode()
    path.write_bytes(content)
    code = main(['score', 'ner', str(path), *flags])
    captured = capsys.readouterr()
    # One name for the file, wherever the test runs.
    log = captured.err.replace(str(path), 'FILE')
    return code, captured.out.splitlines(), log

  return run


def scores(outcome):
  """The JSON object on the last line of standard output."""
  code, lines, _ = outcome
  assert code == 0
  return json.loads(lines[-1])


def test_last_line_is_the_scores(ner):
  outcome = ner(SAMPLE)
  result = scores(outcome)
  assert len(outcome[1]) == 1
  assert {name: result[name] for name in SCORES} == SCORES
  assert set(result['per_type']) == {'C', 'D', 'G'}
  assert result['per_type']['D']['precision'] == 50.0
  low, high = result['f1_interval_95']
  assert low <= 66.67 <= high


def test_table_is_for_people(ner):
  log = ner(SAMPLE)[2]
  assert re.search(r'^overall +66.67 +66.67 +66.67 +3 +3 +2$', log, re.M)
  assert re.search(r'^G +0.00 +0.00 +0.00 +1 +0 +0$', log, re.M)
  assert '95 % interval of F1' in log
  assert 'note:' not in log


@pytest.mark.parametrize(
  'content',
  [
    SAMPLE.replace(' ', '\t'),
    SAMPLE.replace(' ', '  '),
    SAMPLE.replace('\n', '\r\n'),
    '\ufeff' + SAMPLE,
    '\ufeff\n' + SAMPLE,
    '\n\n' + SAMPLE + '\n\n',
    SAMPLE.rstrip(),
    SAMPLE.replace('\n\n', '\n-X- O O\n'),
    SAMPLE.replace('\n\n', '\n-X- - - B-D I-D\n'),
    SAMPLE.replace('\n\n', '\n  \n'),
    re.sub(r'^(\S+) ', r'\1 NN ', SAMPLE, flags=re.M),
    SAMPLE.replace(' ', '\t').replace('cancer', 'can cer'),
    SAMPLE.replace('of', 'o\u2028f').replace('cancer', '\xa0'),
    SAMPLE.replace('of ', ' '),
  ],
  ids=[
    'tabs', 'runs_of_spaces', 'crlf', 'bom', 'bom_alone', 'blank_lines',
    'no_last_newline',
    'boundary', 'boundary_of_other_width', 'whitespace_line', 'four_columns',
    'space_in_a_token', 'unicode_separators', 'empty_token',
  ],
)  # fmt: skip
def test_forms_of_one_file_score_alike(ner, content):
  assert scores(ner(content)) == scores(ner(SAMPLE))


def test_docstart_is_a_token_as_in_the_script(ner):
  text = '-DOCSTART- O O\nIt I-D I-D\n'
  assert ner(text, '--conlleval')[1][0].startswith('processed 2 tokens with 1')


@pytest.mark.parametrize('case', conlleval_cases.CASES, ids=lambda c: c.name)
def test_conlleval_prints_the_scripts_text(ner, case):
  blocks = (
    ''.join(f'w {g} {p}\n' for g, p in zip(*pair, strict=True))
    for pair in zip(case.gold, case.predicted, strict=True)
  )
  outcome = ner('\n'.join(blocks), '--conlleval', '--bootstrap=0')
  assert ''.join(f'{line}\n' for line in outcome[1][:-1]) == case.text
  assert scores(outcome)['f1_interval_95'] is None


def test_errors_are_listed_with_their_lines(ner, tmp_path):
  path = tmp_path / 'errors.tsv'
  text = SAMPLE.replace('cancer I-D I-D', 'cancer I-D O')
  scores(ner(text, '--errors', str(path)))
  assert path.read_text() == (
    'kind\tline\ttype\ttext\n'
    'false_negative\t1\tD\tFamilial cancer\n'
    'false_positive\t1\tD\tFamilial\n'
    'false_negative\t4\tG\tBRCA1\n'
    'false_positive\t7\tD\thelps\n'
  )
  assert sorted(p.name for p in tmp_path.iterdir()) == [
    'errors.tsv',
    'predictions.txt',
  ]


def test_seed_chooses_the_interval(ner):
  text = ''.join(
    f'{SAMPLE}\n{"w B O" if i % 3 else "w B B"}\n\n' for i in range(9)
  )
  intervals = [
    scores(ner(text, '--bootstrap=31', seed))['f1_interval_95']
    for seed in ('--seed=1', '--seed=1', '--seed=2')
  ]
  assert intervals[0] == intervals[1] != intervals[2]


def test_half_known_schemes_get_a_note(ner):
  log = ner('a B-D B-D\nb E-D E-D\nc S-D S-D\n')[2]
  assert 'tags E, S; conlleval joins' in log
  assert 'leaves chunks open' not in log
  assert 'leaves chunks open' in ner('a B B\nb S S\n\nc B B\n')[2]


@pytest.fixture
def two_files(tmp_path, capsys, monkeypatch):
  """Scores a gold file and predictions; returns as `ner` does."""
  monkeypatch.chdir(tmp_path)

  def run(gold, predictions, *flags):
    (tmp_path / 'gold').write_text(gold)
    (tmp_path / 'said').write_text(predictions)
    code = main(['score', 'ner', 'gold', 'said', *flags])
    captured = capsys.readouterr()
    return code, captured.out.splitlines(), captured.err

  return run


SIDES = tuple(
  re.sub(r'^(\S+) (\S+) (\S+)$', rf'\1 \{side}', SAMPLE, flags=re.M)
  for side in (2, 3)
)


@pytest.mark.parametrize(
  ('said', 'breaks'),
  [
    (SIDES[1], 0),
    (SIDES[1].replace(' ', '\tNN\t'), 0),
    (re.sub(r'^\S+ ', '', SIDES[1], flags=re.M), 0),
    (SAMPLE, 0),
    (SIDES[1].replace('\n\n', '\n') + '\n\n', 1),
  ],
  ids=['spaces', 'tabs', 'tags_alone', 'three_columns', 'no_break'],
)
def test_two_files_score_as_one(ner, two_files, tmp_path, said, breaks):
  one = scores(ner(SAMPLE))
  outcome = two_files(SIDES[0], said, '--errors=errors.tsv')
  assert scores(outcome) == one
  note = 'sentence breaks that only one of the files has'
  assert (f'{note}; those of the gold file count: 1' in outcome[2]) == breaks
  assert (
    'false_positive\t7\tD\thelps\n' in (tmp_path / 'errors.tsv').read_text()
  )


@pytest.mark.parametrize(
  ('said', 'message'),
  [
    (SIDES[1].replace('of', 'on'), "said:3: has the token 'on' where gold:3 "
     "has 'of'; give tags of the same tokens, one for each and in order"),
    (SIDES[1][:-10], "gold:7: token 'helps' has no tag in said, which ends "),
    (SIDES[1] + 'more O\n', 'said:8: is past the last token of gold; give the'),
    ('Familial\ncancer\n', "said:1: 'Familial' is no tag; write token and "),
    ('', 'said: holds no token; write token and predicted tag on each line'),
  ],
)  # fmt: skip
def test_files_of_other_tokens_are_named(two_files, said, message):
  code, lines, log = two_files(SIDES[0], said)
  assert (code, lines) == (3, [])
  assert log.startswith(f'error: {message}')
  assert log.count('\n') == 1


def test_neither_input_is_overwritten(two_files):
  for name in ('gold', 'said'):
    log = two_files(*SIDES, f'--errors={name}')[2]
    assert f'--errors {name} is read too' in log


def test_other_measures_stand_below_conlleval_s(ner):
  outcome = ner('a I-D I-D\nb B-D O\nc I-D I-D\n\nd B-C B-C\n')
  found = scores(outcome)
  assert found['strict'] == {
    'precision': 100.0,
    'recall': 50.0,
    'f1': 66.67,
    'scheme': 'IOB2',
    'gold': 2,
    'predicted': 1,
    'correct': 1,
  }
  assert found['relaxed']['f1'] == found['right']['f1'] == 100
  assert found['left']['f1'] == found['f1'] == 66.67
  assert found['macro']['f1'] == 75
  rows = {line[:17].strip(): line[17:] for line in outcome[2].splitlines()}
  assert rows['strict (IOB2)'].split() == [
    '100.00',
    '50.00',
    '66.67',
    '2',
    '1',
    '1',
  ]
  assert rows['macro'].split() == ['75.00', '75.00', '75.00']
  assert 'IOB1' in ner('a I-D I-D\n', '--scheme=IOB1')[2]
  log = ner('a B-D S-D\n')[2]
  assert 'note: no strict scores: there are tags that IOB2 does not have' in log


@pytest.mark.parametrize(
  ('content', 'note'),
  [
    ('a B B-MISC\nb I I-MISC\n', 'gold (no type); predicted MISC.'),
    ('a B-Chem B-CHEM\nb I-Chem I-CHEM\n', 'gold Chem; predicted CHEM.'),
    ('a B-D B-D\nb I-D B\n', 'gold D; predicted (no type), D.'),
  ],
)
def test_other_typing_is_noticed(ner, content, note):
  log = ner(content)[2]
  assert f'note: the tags differ in typing: {note} Entities of' in log
  assert '--untyped leaves the types out' in log
  outcome = ner(content, '--untyped')
  assert 'differ in typing' not in outcome[2]
  assert scores(outcome)['relaxed']['f1'] == 100
  assert 'differ in typing' not in ner('a B-D B-D\nb B-C O\n')[2]


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ('', 'FILE: holds no token; write token, gold tag and predicted tag on ea'),
    ('\n \n\n', 'FILE: holds no token'),
    ('a O\n', 'FILE:1: has 2 space-separated columns; write token, gold tag '
     'and predicted tag, or name a gold file and a file of predictions'),
    ('\n\na\n', 'FILE:3: has 1 space-separated column; write token'),
    ('a\tO\tO\nb O O\n', 'FILE:2: has 1 tab-separated column; write token'),
    ('a\tO\tO\t\n\nb\tO\t\n', 'FILE:3: has 2 tab-separated columns'),
    ('a O O\nb c O O\n', 'FILE:2: has 4 space-separated columns but the lines'),
    ('a N O O\nb O O\n', 'FILE:2: has 3 space-separated columns but the lines'),
    ('a\t\tO\n', 'FILE:1: has an empty gold tag; write O'),
    ('a O O\rb O O\n', r'FILE:1: holds a bare carriage return; end lines'),
    (b'a O O\nb\xff O O\n', 'FILE:2: is not UTF-8; convert'),
    ('a O O\n'.encode('utf-16'), 'FILE:1: is not UTF-8; convert'),
  ],
)  # fmt: skip
def test_bad_input_is_one_line_that_names_the_place(ner, content, message):
  code, lines, log = ner(content)
  assert (code, lines) == (3, [])
  assert log.startswith(f'error: {message}')
  assert log.count('\n') == 1


def test_unreadable_and_unwritable_files_are_named(ner, tmp_path, capsys):
  for path in (tmp_path / 'none.txt', tmp_path):
    assert main(['score', 'ner', str(path)]) == 3
    assert capsys.readouterr().err.startswith(f'error: {path}: cannot be read')
  inside = tmp_path / 'predictions.txt' / 'e.tsv'
  code, lines, log = ner(SAMPLE, '--errors', str(inside))
  assert (code, lines) == (3, [])
  assert 'e.tsv: cannot write: ' in log


def test_failed_write_leaves_the_old_list(ner, tmp_path, monkeypatch):
  path = tmp_path / 'errors.tsv'
  path.write_text('of yesterday')

  def full(*_):
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr(atomic.os, 'replace', full)
  code, _, log = ner(SAMPLE, '--errors', str(path))
  assert code == 1
  said = f'not saved: {path}: No space left on device; free some space'
  assert said in log
  assert path.read_text() == 'of yesterday'


def test_input_is_never_overwritten(ner, tmp_path):
  path = tmp_path / 'predictions.txt'
  code, _, log = ner(SAMPLE, '--errors', str(path))
  assert code == 3
  assert '--errors FILE is read too, by FILE FILE' in log
  assert path.read_text() == SAMPLE


@pytest.mark.parametrize('flag', ['--bootstrap=-1', '--seed=-1'])
def test_negative_numbers_are_refused(ner, flag):
  code, _, log = ner(SAMPLE, flag)
  assert code == 3
  assert 'must not be negative' in log


@pytest.fixture
def command(tmp_path, capsys, monkeypatch):
  """Scores one of the files above; returns exit code, stdout and stderr."""
  monkeypatch.chdir(tmp_path)
  write_files(tmp_path)

  def run(task, *arguments):
    files = {'GOLD': f'{task}.gold', 'SAID': f'{task}.said'}
    code = main(['score', task, *(files.get(a, a) for a in arguments)])
    captured = capsys.readouterr()
    return code, captured.out.splitlines(), captured.err

  return run


@pytest.mark.parametrize(
  ('arguments', 'figures'),
  [
    ('ner GOLD SAID', {'f1': 0.0, 'gold': 1}),
    ('relation GOLD SAID', {'f1': 66.67, 'specificity': 100.0}),
    ('relation GOLD SAID --task=euadr', {'precision': 100.0}),
    ('squad GOLD SAID', {'exact': 0.0, 'f1': 33.33333333333333}),
    ('squad GOLD SAID --null_odds=squad.odds',
     {'best_f1': 83.33333333333333, 'best_f1_thresh': -1.5}),
    ('squad GOLD SAID --null_odds=squad.odds --threshold=-1.2',
     {'exact': 50.0, 'NoAns_f1': 100.0}),
    ('bioasq GOLD SAID', {'factoid_mrr': 0.5}),
    ('pubmedqa GOLD SAID', {'accuracy': 0.5}),
  ],
)  # fmt: skip
def test_commands_end_with_their_scores(command, arguments, figures):
  outcome = command(*arguments.split())
  result = scores(outcome)
  assert len(outcome[1]) == 1
  assert {name: result[name] for name in figures} == figures
  assert '95 % interval' in outcome[2]
  again = command(*arguments.split(), '--bootstrap=0')
  assert '95 % interval of' not in again[2]
  assert {k: v for k, v in scores(again).items() if 'interval' not in k} == {
    k: v for k, v in result.items() if 'interval' not in k
  }


@pytest.mark.parametrize('task', ['squad', 'bioasq', 'pubmedqa'])
def test_ids_that_gold_lacks_are_passed_over_and_counted(command, task):
  """And integer ids serve as their text."""
  gold, said = (
    json.loads(pathlib.Path(f'{task}.{x}').read_text())
    for x in ('gold', 'said')
  )
  before = scores(command(task, 'GOLD', 'SAID'))
  if task == 'bioasq':
    gold['questions'][0]['id'] = 1
    said['questions'].insert(0, {'id': 7, 'exact_answer': 'x'})
  else:
    said = {'7': 'x', **said}
  if task == 'squad':
    for question in gold['data'][0]['paragraphs'][0]['qas']:
      question['id'] = int(question['id'])
  for name, content in (('gold', gold), ('said', said)):
    pathlib.Path(name).write_text(json.dumps(content))
  outcome = command(task, 'gold', 'said')
  assert scores(outcome) == before | {'ids_not_in_gold': 1}
  note = 'note: ids that the gold file does not have, passed over: 1\n'
  assert note in outcome[2]


def test_line_of_the_evaluator_comes_first(command):
  code, lines, _ = command('bioasq', 'GOLD', 'SAID', '--line')
  assert (code, len(lines)) == (0, 2)
  assert lines[0] == '0.0 0.0 1.0 0.5 0.0 0.0 0.0 0.0 0.0 0.0'


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    ('relation GOLD SAID --task=chemprot', "relation.gold:2: label '1' is"),
    ('relation GOLD none.tsv', 'none.tsv: cannot be read'),
    ('relation GOLD GOLD', 'relation.gold:1: has 3 tab-separated colu'),
    ('squad GOLD SAID --version=1.1', 'squad.gold: 2: has no answ'),
    ('squad SAID SAID', "squad.said: 'data' is missing"),
    ('squad GOLD squad.odds', "squad.odds: '1' is '-1.5'"),
    ('bioasq GOLD relation.gold', 'relation.gold:1: is not JSON (Expecti'),
    ('bioasq GOLD SAID --seed=-1', '--bootstrap and --seed: mus'),
    ('pubmedqa GOLD many', 'many: 8 and 1 more ids: none is in the gold file;'),
    ('pubmedqa GOLD squad.said', "squad.said: 1: label 'β' is not on"),
  ],
)  # fmt: skip
def test_bad_files_are_one_line(command, arguments, message):
  code, lines, log = command(*arguments.split())
  assert (code, lines) == (3, [])
  assert log.startswith(f'error: {message}')
  assert log.count('\n') == 1


def test_program_runs_from_any_folder_without_jax(tmp_path):
  """`score ner` stands for all tasks: they share their imports."""
  text = SAMPLE.replace('-C', '-χ')
  environment = {**os.environ, 'PYTHONIOENCODING': 'ascii'}
  environment['PYTHONPATH'] = str(ROOT)
  result = subprocess.run(
    [
      *(sys.executable, '-X', 'importtime', '-m', 'biobert_jax'),
      *('score', 'ner', '-', '--conlleval'),
    ],
    input=text.encode(),
    capture_output=True,
    cwd=tmp_path,
    env=environment,
  )
  log = result.stderr.decode()
  assert result.returncode == 0, log
  lines = result.stdout.decode().splitlines()
  assert lines[0].startswith('processed 6 tokens')
  assert lines[-2].lstrip().startswith('χ: precision: 100.00%')
  assert json.loads(lines[-1])['f1'] == 66.67
  imported = set(re.findall(r'\| +(\w+)$', log, re.M))
  assert 'numpy' in imported
  assert not imported & {'jax', 'jaxlib', 'flax', 'tensorflow', 'tokenizers'}


def test_program_exits_with_3(tmp_path):
  result = subprocess.run(
    [sys.executable, '-m', 'biobert_jax', 'score', 'ner', 'absent.txt'],
    env={**os.environ, 'PYTHONPATH': str(ROOT)},
    capture_output=True,
    cwd=tmp_path,
    text=True,
  )
  assert (result.returncode, result.stdout) == (3, '')
  assert result.stderr.startswith('error: absent.txt: cannot be read')

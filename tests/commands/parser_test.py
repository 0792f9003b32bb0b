"""Every flag of every command: spellings, help, and mistakes in one line.

Also of `commands/*.py`.
"""

import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import time

import pytest

from biobert_jax import __version__, errors
from biobert_jax.commands import command, main, parser
from biobert_jax.commands.command import EXIT_CODES, Flag
from biobert_jax.metrics import entity_matches, relation, squad
from biobert_jax.preprocessing.bioasq import questions, squad_files, submission
from biobert_jax.text.readers.article import Options

ROOT = pathlib.Path(__file__).parents[2]
FLAGS = [(c, flag) for c in main.COMMANDS.values() for flag in c.flags]
NAMED = [(c, flag) for c, flag in FLAGS if not flag.positional]
IDS = [f'{c.name} {flag.name}' for c, flag in FLAGS]
NAMED_IDS = [f'{c.name} {flag.name}' for c, flag in NAMED]
HEAVY = [
  'jax',
  'tensorflow',
  'flax',
  'numpy',
  'ml_collections',
  'absl',
  'google.auth',
]


def value_of(flag: Flag) -> str:
  """A value that the flag takes."""
  if flag.choices:
    return flag.choices[-1]
  if flag.default is True:
    return 'false'
  if flag.name == 'step':
    return '7'
  return {bool: 'true', int: '7', float: '0.5', str: 'v'}[flag.type]


def given(one: command.Command, flag: Flag, value: str) -> list[str]:
  """Arguments that give a flag a value, after the positional ones before it."""
  if not flag.positional:
    return [f'--{flag.name}={value}']
  before = [f for f in one.flags if f.positional]
  return ['-' for _ in before[: before.index(flag)]] + [value]


def optional(flag: Flag) -> Flag:
  return dataclasses.replace(flag, default=None) if flag.required else flag


def parse(one: command.Command, *arguments: str) -> dict[str, object]:
  """The values of the flags of a command of which none is required."""
  free = tuple(optional(f) for f in one.flags)
  parsed = parser.parse(dataclasses.replace(one, flags=free), arguments)
  assert parsed is not None
  return vars(parsed[0])


def run(*arguments: str) -> int:
  return main.main(list(arguments))


@pytest.mark.parametrize(('one', 'flag'), NAMED, ids=NAMED_IDS)
def test_a_flag_in_every_spelling(one, flag):
  expected = parse(one, f'--{flag.name}={value_of(flag)}')[flag.name]
  assert expected not in (None, flag.default)
  hyphened = flag.name.replace('_', '-')
  for name in (flag.name, hyphened, *flag.aliases):
    for spelled in (
      [f'--{name}={value_of(flag)}'],
      [f'--{name}', value_of(flag)],
    ):
      assert parse(one, *spelled)[flag.name] == expected, spelled
  for alias in flag.aliases:
    with pytest.raises(errors.InputError, match='is another name of'):
      parse(one, f'--{flag.name}=a', f'--{alias}=b')


@pytest.mark.parametrize(('one', 'flag'), NAMED, ids=NAMED_IDS)
def test_an_empty_value_is_refused(one, flag, capsys):
  assert run(*one.name.split(), f'--{flag.name}=') == 3
  said = capsys.readouterr()
  assert f'--{flag.name} is empty (an unset variable of the shell?)' in said.err
  assert (said.out, said.err.count('\n')) == ('', 1)


@pytest.mark.parametrize(('one', 'flag'), NAMED, ids=NAMED_IDS)
def test_a_mistyped_flag_gets_the_nearest(one, flag, capsys):
  mistyped = f'--{flag.name[:-1]}_{flag.name[-1]}'
  code = run(*one.name.split(), f'{mistyped}=1')
  said = capsys.readouterr().err
  assert code == 3
  if not one.passes_on:
    assert f'{one.name} has no flag {mistyped}; did you mean --' in said
    assert said.count('\n') == 1


@pytest.mark.parametrize(('one', 'flag'), FLAGS, ids=IDS)
def test_tilde_is_expanded(one, flag, monkeypatch, tmp_path):
  monkeypatch.setenv('HOME', str(tmp_path))
  if flag.path:
    found = parse(one, *given(one, flag, '~/x'))[flag.name]
    assert found in (f'{tmp_path}/x', [f'{tmp_path}/x'])
    if flag.value_name.endswith(',...'):
      found = parse(one, *given(one, flag, 'a,~/x'))[flag.name]
      assert found == f'a,{tmp_path}/x'
    if flag.path in ('input', 'output'):
      with pytest.raises(errors.InputError, match='only files are possible'):
        parse(one, *given(one, flag, '-'))


@pytest.mark.parametrize(
  ('one', 'flag'),
  [(c, f) for c, f in FLAGS if f.path],
  ids=lambda one: one.name,
)
def test_a_place_in_a_bucket(one, flag):
  place = 'gs://bucket/a b/#?.txt'
  found = parse(one, *given(one, flag, place))[flag.name]
  assert found in (place, [place])
  # What has a scheme may be one of Beam's file systems: it refuses the others.
  urls = ('gs://', 'gs://B/x', 's3://bucket/x', 'https://x/y')
  for wrong in ('gs:/x', *(() if flag.urls else urls)):
    with pytest.raises(errors.InputError, match=re.escape(wrong)):
      parse(one, *given(one, flag, wrong))


@pytest.mark.parametrize(
  ('one', 'flag'),
  [(c, f) for c, f in FLAGS if f.path in ('input', 'stdin')],
  ids=lambda one: one.name,
)
def test_a_mistyped_path_gets_the_nearest(one, flag, monkeypatch, tmp_path):
  (tmp_path / 'runs' / 'ncbi').mkdir(parents=True)
  monkeypatch.chdir(tmp_path)
  for wrong, right in (('runs/nbci', 'runs/ncbi'), ('rums/ncbi', 'runs')):
    with pytest.raises(errors.InputError, match=f'did you mean {right}') as e:
      parse(one, *given(one, flag, wrong))
    assert str(e.value).startswith(flag.shown)
  # The beginning of files' names is a path, as of a TF checkpoint.
  found = parse(one, *given(one, flag, 'runs/nc'))[flag.name]
  assert found in ('runs/nc', ['runs/nc'])


@pytest.mark.parametrize('one', main.COMMANDS.values(), ids=list(main.COMMANDS))
def test_help_of_a_command(one, capsys):
  for arguments in (
    (*one.name.split(), '--help'),
    (*one.name.split(), '-h'),
    ('help', *one.name.split()),
  ):
    assert run(*arguments) == 0
    said = capsys.readouterr()
    assert said.err == ''
  lines = said.out.partition('\nflags:\n')[2].splitlines()
  for flag in one.flags:
    # One line for each flag, with its default.
    starts: tuple[str, ...] = (f'  --{flag.name} ', f'  --{flag.name}, ')
    if flag.positional:
      starts = (f'  {flag.shown}',)
    (line,) = [x for x in lines if x.startswith(starts)]
    assert flag.help in line
    assert len(line) <= 120
    if flag.required:
      assert '(required)' in line
    elif flag.type in (int, float) and flag.default is not None:
      assert f'(default: {flag.default})' in line
  assert said.out.count(f'\n  biobert-jax {one.name} ') == 2
  assert '\noutput files: ' in said.out
  for code in one.exits:
    assert f'  {code:>3}  {EXIT_CODES[code]}' in said.out


@pytest.mark.parametrize('one', main.COMMANDS.values(), ids=list(main.COMMANDS))
def test_examples_are_command_lines(one, monkeypatch, tmp_path):
  monkeypatch.chdir(tmp_path)
  for example in one.examples:
    words = example.removeprefix(one.name).partition(' < ')[0].split()
    parsed = parser.parse(one, [word.strip("'") for word in words])
    assert parsed is not None
    assert parsed[0].passed_on == [] or one.passes_on


def test_help_is_quick_and_imports_little():
  code = (
    'import sys, time; began = time.perf_counter()\n'
    'from biobert_jax.commands.main import COMMANDS, main\n'
    'for name in COMMANDS: assert main([*name.split(), "--help"]) == 0\n'
    'assert main(["--help"]) == 0\n'
    'print(time.perf_counter() - began, file=sys.stderr)\n'
    f'print([n for n in {HEAVY} if n in sys.modules], file=sys.stderr)\n'
  )
  began = time.perf_counter()
  child = subprocess.run(
    [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True
  )
  assert child.returncode == 0, child.stderr
  seconds, imported = child.stderr.splitlines()
  assert imported == '[]'
  # All 23 together; on a busy machine the rest of the time is Python's start.
  assert float(seconds) < 3
  assert time.perf_counter() - began < 10


def test_help_of_the_program(capsys):
  assert run('--help') == 0
  said = capsys.readouterr().out
  for name in main.COMMANDS:
    assert f'  {name} ' in said
  for code, meaning in EXIT_CODES.items():
    assert f'{code:>3}  {meaning}' in said
  assert set(EXIT_CODES) == {
    value for name, value in vars(errors).items() if name.startswith('EXIT_')
  }
  assert run('score', '--help') == 0
  assert '  score ner ' in capsys.readouterr().out
  assert run() == 3
  assert 'no command is given' in capsys.readouterr().err


def test_version(capsys):
  assert run('--version') == 0
  assert capsys.readouterr().out == f'biobert-jax {__version__}\n'


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (['trian'], "no command 'trian'; did you mean train?"),
    (['evalute', '--workdir=x'], 'did you mean evaluate?'),
    (['build_vocabulry'], 'did you mean build-vocabulary?'),
    (['help', 'predct'], 'did you mean predict?'),
    (['score-ner', 'a'], 'did you mean score ner?'),
    (['--versoin'], 'did you mean --version?'),
    (['score'], 'score needs one of ner, relation, squad, bioasq, pubmedqa'),
    (['score', 'sqad', 'a', 'b'], "not 'sqad'; did you mean squad?"),
    (['embed', '--pooling=man', '--model=m'], 'did you mean mean?'),
    (['extend', '--overwrite=perhaps'], 'give true or false'),
    (['build-vocabulary', '--size=big'], "is 'big'; give a whole number"),
    (['train', '--workdir'], '--workdir needs a value, as in --workdir=...'),
    (['train', 'workdir=x'], 'did you mean --workdir=x?'),
    (['train', 'config.optim.b1=1'], 'did you mean --config.optim.b1=1?'),
    (['table', '--workdirs=a', '--output=b', 'c'], "unexpected argument 'c'"),
    (['predict', '--model=a', '--workdir=b'], 'another name of --model'),
  ],
)  # fmt: skip
def test_mistakes_are_one_plain_line(arguments, message, capsys):
  assert run(*arguments) == 3
  said = capsys.readouterr()
  assert message in said.err
  assert (said.out, said.err.count('\n')) == ('', 1)


def test_booleans():
  one = main.COMMANDS['extend']
  for given, value in (
    (['--overwrite'], True),
    (['--overwrite', 'true'], True),
    (['--overwrite=True'], True),
    (['--overwrite', 'false'], False),
    (['--no-overwrite'], False),
    (['--no_overwrite'], False),
    (['--overwrite', '--no-overwrite'], False),
    ([], False),
  ):
    assert parse(one, *given)['overwrite'] is value
  # What follows a boolean flag is no value of it.
  score = parse(main.COMMANDS['score ner'], '--conlleval', 'FILE')
  assert (score['conlleval'], score['file']) == (True, 'FILE')


def test_values_that_look_like_flags():
  embed = parse(main.COMMANDS['embed'], '--layers', '-1,-2')
  assert embed['layers'] == '-1,-2'
  squad_ = parse(main.COMMANDS['score squad'], 'a', '-', '--threshold', '-1.5')
  assert (squad_['predictions'], squad_['threshold']) == ('-', -1.5)


def test_flags_that_take_many():
  one = main.COMMANDS['build-vocabulary']
  for given in (['--input', 'a', 'b'], ['--input=a', '--input', 'b']):
    assert parse(one, *given)['input'] == ['a', 'b']


def test_what_beam_gets():
  one = main.COMMANDS['prepare-corpus-beam']
  given = [
    '--runner',
    'DirectRunner',
    '--direct_num_workers=0',
    '--shards',
    '2',
  ]
  found = parse(one, *given)
  assert found['passed_on'] == [*given[:3]]
  assert found['shards'] == 2


def test_with_output_on_stdout_the_summary_is_on_stderr(
  monkeypatch, capsys, tmp_path
):
  one = main.COMMANDS['prepare-submission']
  made = dataclasses.replace(one, run=lambda flags: {'a': 'ß'})
  monkeypatch.setitem(main.COMMANDS, one.name, made)
  for output in (str(tmp_path / 'x'), '-'):
    given = ['--questions=a', '--predictions=b', f'--output={output}']
    assert run(one.name, *given) == 0
    said = capsys.readouterr()
    expected = ('', '{"a": "ß"}\n')
    assert (said.out, said.err) == (
      expected if output == '-' else expected[::-1]
    )
    assert json.loads(expected[1]) == {'a': 'ß'}


def test_choices_and_defaults_are_those_of_the_rooms():
  def flag(name: str, of: str) -> Flag:
    (found,) = [f for f in main.COMMANDS[of].flags if f.name == name]
    return found

  assert set(flag('task', 'score relation').choices) == set(relation.LABELS)
  assert flag('version', 'score squad').choices == squad.VERSIONS
  schemes = {entity_matches.AUTO, *entity_matches.SCHEMES}
  assert set(flag('scheme', 'score ner').choices) == schemes
  assert flag('threshold', 'score squad').default == squad.THRESHOLD
  bioasq = flag('types', 'prepare-bioasq')
  assert bioasq.choices == bioasq.default == questions.TYPES[:3]
  assert flag('passages', 'prepare-bioasq').choices == squad_files.KINDS
  threshold = flag('threshold', 'prepare-submission').default
  assert threshold == submission.THRESHOLD
  for name, value in dataclasses.asdict(Options()).items():
    assert flag(name, 'prepare-corpus').default == value


def test_choices_of_rooms_with_jax():
  from biobert_jax.checkpoints import export
  from biobert_jax.inference import embedding_files

  flags = {f.name: f for f in main.COMMANDS['export'].flags}
  assert set(flags['format'].choices) == set(export.FORMATS)
  flags = {f.name: f for f in main.COMMANDS['embed'].flags}
  assert flags['pooling'].choices == tuple(embedding_files.POOLINGS)


def test_ctrl_c_is_one_line_and_130(monkeypatch, capsys):
  def stop(flags):
    raise KeyboardInterrupt

  for name, one in main.COMMANDS.items():
    free = tuple(optional(f) for f in one.flags)
    made = dataclasses.replace(one, flags=free, run=stop, has_config=False)
    monkeypatch.setitem(main.COMMANDS, name, made)
    assert run(*name.split()) == 130
    said = capsys.readouterr()
    assert (said.out, said.err.count('\n')) == ('', 1)
    assert said.err.startswith('interrupted: ')


def test_a_reader_that_leaves_is_no_traceback(tmp_path):
  (tmp_path / 'tags').write_text('a O O\n' * 10)
  child = subprocess.Popen(
    [
      sys.executable,
      '-m',
      'biobert_jax',
      'score',
      'ner',
      str(tmp_path / 'tags'),
    ],
    cwd=ROOT,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
    env=os.environ | {'PYTHONUNBUFFERED': '1'},
  )
  child.stdout.close()
  said = child.stderr.read()
  child.stderr.close()
  assert child.wait(60) == 1
  assert 'Traceback' not in said


def test_a_full_standard_output_is_one_line_and_1(tmp_path):
  (tmp_path / 'tags').write_text('a O O\n' * 10)
  given = ['score', 'ner', str(tmp_path / 'tags'), '--errors=-']
  with open('/dev/full', 'w') as full:
    child = subprocess.run(
      [sys.executable, '-m', 'biobert_jax', *given],
      cwd=ROOT,
      stdout=full,
      stderr=subprocess.PIPE,
      text=True,
    )
  assert child.returncode == 1
  assert child.stderr.splitlines()[-1] == (
    'not saved: standard output: No space left on device; free some space, '
    'then run the same command again'
  )
  assert 'Exception' not in child.stderr


def test_a_file_is_not_read_and_written(tmp_path, capsys):
  one, two = tmp_path / 'one.txt', tmp_path / 'two.txt'
  for path in (one, two):
    path.write_text('kept')
  (tmp_path / 'link').symlink_to(one)
  os.link(two, tmp_path / 'hard')
  for source, output in (
    (one, one),
    (one, tmp_path / 'link'),
    (tmp_path / 'hard', two),
    (tmp_path, one),
    (tmp_path / '*.txt', two),
  ):
    given = ['--model=m', f'--input={source}', f'--output={output}']
    assert run('predict', *given) == 3
    said = capsys.readouterr().err
    assert said.startswith(f'error: --output {output} is read too, by --input')
  assert (one.read_text(), two.read_text()) == ('kept', 'kept')
  command = main.COMMANDS['embed']
  # The model's own folder, a new file and a device may be written.
  for model, source, output in (
    (tmp_path, one, two),
    ('m', tmp_path / 'one*', tmp_path / 'new.jsonl'),
    ('m', '/dev/null', '/dev/null'),
  ):
    given = [f'--model={model}', f'--input={source}', f'--output={output}']
    assert parse(command, *given)['output'] == str(output)

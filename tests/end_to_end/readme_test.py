"""Every command that the documents show is run here, or by CI itself."""

import importlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

from biobert_jax.commands import config_files
from biobert_jax.commands.main import COMMANDS as PROGRAMS
from biobert_jax.commands.main import main
from tests.fixtures import (
  scored_files,
  small_bioasq,
  small_questions,
  small_relations,
)
from tests.fixtures.checkpoint_folders import checkpoint_folder

ROOT = pathlib.Path(__file__).parents[2]
README = (ROOT / 'README.md').read_text()
CONTRIBUTING = (ROOT / 'CONTRIBUTING.md').read_text()
SLICES = (ROOT / 'tpu_setup' / 'README.md').read_text()
CONFIGS = sorted(p.stem for p in (ROOT / 'configs').glob('[a-z]*.py'))
DOCSTRINGS = [importlib.import_module(f'configs.{n}').__doc__ for n in CONFIGS]
COMMANDS = re.findall(r'`(python [^`]+)`', README)
LIBTPU = os.environ.get('BIOBERT_LIBTPU', '')
SMALL = (
  *('--config.train.epochs=2', '--config.train.evaluations=1'),
  *('--config.model.num_hidden_layers=1', '--config.model.hidden_size=32'),
)
# Windows that the small stand-in for MODEL has positions for.
SHORT = ('--config.data.max_seq_length=96', '--config.batch_size=8')
SPANS = ('--config.data.doc_stride=16', '--config.data.max_question_length=48')


def test_there_are_commands_for_every_program():
  shown = [' '.join(shlex.split(c)[3:5]) for c in COMMANDS if ' -m ' in c]
  for name in PROGRAMS.keys() - {'prepare-corpus-beam'}:
    assert [s for s in shown if f'{s} '.startswith(f'{name} ')], name


def test_bash_commands_are_run_by_ci():
  ci = (ROOT / '.ci' / 'run').read_text()
  shown = set(re.findall(r'bash (scripts/\w+\.sh)', README + CONTRIBUTING))
  for script in shown:
    assert (ROOT / script).exists()
    assert script in ci


def has(config, key):
  for part in key.split('.'):
    if part not in config:
      return False
    config = config[part]
  return True


def test_overrides_that_documents_show_are_keys():
  loaded = {
    name: importlib.import_module(f'configs.{name}').get_config()
    for name in CONFIGS
  }
  shown = set(
    re.findall(r'--config\.([\w.]+)=', README + CONTRIBUTING + SLICES)
  )
  assert len(shown) >= 6
  for key in shown - {'KEY'}:
    assert any(has(config, key) for config in loaded.values()), key
  # A whole command shows keys of its own config.
  for command in COMMANDS:
    for name in re.findall(r'--config=configs/(\w+)\.py', command):
      for key in re.findall(r'--config\.([\w.]+)=', command):
        assert has(loaded[name], key), command


def test_flags_that_documents_show_exist():
  base = (
    *('quickstart', 'pretrain_pubmed_packed', 're_gad'),
    *('qa_squad_v2', 'qa_pubmedqa'),
  )
  text = ''.join((README, CONTRIBUTING, *DOCSTRINGS))
  for flag in set(re.findall(r'--config\.\w[\w.]*=[\w.-]+', text)):
    key = flag.split('=')[0].removeprefix('--config.')
    name = next(
      name
      for name in base
      if has(importlib.import_module(f'configs.{name}').get_config(), key)
    )
    if not flag.endswith('VALUE'):
      pair = tuple(flag.removeprefix('--config.').split('=', 1))
      config_files.load_config(f'{name}:tiny', [pair])


def test_the_table_of_commands_runs(tmp_path, monkeypatch, capsys):
  """From the first row to the last, on small stand-ins for MODEL and DATA."""
  monkeypatch.chdir(ROOT)
  monkeypatch.setenv('BIOBERT_DATA', str(tmp_path))  # Benchmarks: the sample.
  if LIBTPU:
    monkeypatch.syspath_prepend(LIBTPU)
  sample = ROOT / 'biobert_jax' / 'sample' / 'ner'
  model = checkpoint_folder(
    tmp_path,
    architectures=['BertForTokenClassification'],
    id2label={'0': 'O', '1': 'B', '2': 'I'},
  )
  words = ('fever', 'aspirin', 'rats', 'gene', 'cells', 'trial')
  text = '.\n'.join(
    f'The {a} of {b} and {c}' for a in words for b in words for c in words
  )
  (tmp_path / 'texts.txt').write_text(text.replace('and trial.', 'and.\n'))
  (tmp_path / 'pieces.txt').write_text('ab\n##cd\n')
  small_relations.write_chemprot(tmp_path / 'raw', ('training', 'test'))
  (tmp_path / 'entities.txt').write_text(small_relations.CDR)
  questions = json.dumps(small_bioasq.raw_bioasq())
  (tmp_path / 'questions.json').write_text(questions)
  scored_files.write_files(tmp_path)
  squad = small_questions.write(tmp_path / 'squad')
  for name in ('train', 'dev'):
    (squad / f'{name}.json').rename(squad / f'{name}-v1.1.json')
  names = {
    'TEXTS': str(tmp_path / 'texts.txt'),
    'VOCAB': str(model / 'vocab.txt'),
    'PIECES': str(tmp_path / 'pieces.txt'),
    'MODEL': str(model),
    'DATA': str(sample),
    'FILE': str(sample / 'paragraph.txt'),
    'FOLD': str(small_relations.write(tmp_path / 'fold')),
    'FOLDS': str(tmp_path / 'ten'),
    'RAW': str(tmp_path / 'raw'),
    'ENTITIES': str(tmp_path / 'entities.txt'),
    'SQUAD': str(squad),
    'QUESTIONS': str(squad / 'dev-v1.1.json'),
    'BIOASQ': str(tmp_path / 'questions.json'),
  }
  for fold in range(1, 11):
    small_relations.write(tmp_path / 'ten' / str(fold))
  trained = 0
  for command in COMMANDS:
    for task in re.findall(r' score (\w+)', command):
      names['GOLD'] = str(tmp_path / f'{task}.gold')
      names['PREDICTIONS'] = str(tmp_path / f'{task}.said')
    for placeholder, value in names.items():
      command = re.sub(rf'\b{placeholder}\b', value, command)
    command = command.replace(':base', ':tiny')
    arguments = shlex.split(command)[1:]
    training = arguments[:3] == ['-m', 'biobert_jax', 'train']
    pretraining = 'configs/pretrain' in command
    trained += training and not re.search('configs/(pretrain|re_|qa_)', command)
    folder = f'{tmp_path}/{trained}'
    arguments = [
      re.sub(r'runs/(x|quickstart)\b', folder, a).replace(
        'runs/', f'{tmp_path}/'
      )
      for a in arguments
    ]
    if arguments[2:3] == ['prepare-corpus']:
      names['CORPUS'] = arguments[arguments.index('--output') + 1]
    if arguments[1:3] == ['biobert_jax', 'preflight'] and not LIBTPU:
      continue  # tests/tpu says why.
    if arguments[0] == '-m':
      name = ' '.join(arguments[2 : 3 + (arguments[2] == 'score')])
      more = SMALL if PROGRAMS[name].has_config else ()
      if pretraining:
        more = (*SMALL, '--config.train.steps=2', '--config.batch_size=16')
      if training and 'configs/qa_' in command:
        more = (*SMALL, *SHORT, *(SPANS if 'squad' in command else ()))
      assert main([*arguments[2:], *more]) == 0, command
      printed = capsys.readouterr().out
    else:
      done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=True
      )
      printed = done.stdout
    assert isinstance(json.loads(printed.splitlines()[-1]), dict), command
  assert trained >= 3


def test_the_python_example_runs(tmp_path, monkeypatch, capsys):
  monkeypatch.chdir(ROOT)
  workdir = tmp_path / 'run'
  arguments = ['train', '--config=configs/quickstart.py:tiny']
  assert main([*arguments, f'--workdir={workdir}', *SMALL]) == 0
  capsys.readouterr()
  # The second is of transformers: tests/comparison/pipeline_test.py runs it.
  code, _ = re.findall(r'```python\n(.*?)```', README, flags=re.S)
  code = code.replace('runs/quickstart', str(workdir))
  done = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=False
  )
  assert done.returncode == 0, done.stderr

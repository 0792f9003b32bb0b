"""Every command that the documents show is run here, or by CI itself."""

import importlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest

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
JOBS = (ROOT / 'biobert_jax' / 'commands' / 'README.md').read_text()
# All that a person reads, except the slices': tests/tpu_setup reads those.
DOCUMENTS = '\n'.join(
  path.read_text()
  for path in sorted(ROOT.rglob('*.md'))
  if not {'.venv', 'runs', 'tpu_setup'} & set(path.relative_to(ROOT).parts)
)
SLICES = (ROOT / 'tpu_setup' / 'README.md').read_text()
CONFIGS = sorted(p.stem for p in (ROOT / 'configs').glob('[a-z]*.py'))
DOCSTRINGS = [importlib.import_module(f'configs.{n}').__doc__ for n in CONFIGS]
COMMANDS = re.findall(r'^\| .*?`biobert-jax ([\w-]+ [^`]+)`', JOBS, flags=re.M)
SAMPLE = ROOT / 'biobert_jax' / 'sample'
LIBTPU = os.environ.get('BIOBERT_LIBTPU', '')
SMALL = (
  *('--config.train.epochs=2', '--config.train.evaluations=1'),
  *('--config.model.num_hidden_layers=1', '--config.model.hidden_size=32'),
)
# Of protocols: two runs of a stage; batches that eight devices share.
SHORTER = {
  'batch_size=10,20': 'batch_size=8,16',
  '=1e-5,3e-5,5e-5': '=1e-5',
  '--seeds=5': '--seeds=2',
  '--folds=10': '--folds=1,2',
}
# Windows that the small stand-in for MODEL has positions for.
SHORT = ('--config.data.max_seq_length=96', '--config.batch_size=8')
SPANS = ('--config.data.doc_stride=16', '--config.data.max_question_length=48')


def test_there_are_commands_for_every_program():
  shown = [' '.join(shlex.split(command)[:2]) for command in COMMANDS]
  for name in PROGRAMS.keys() - {'prepare-corpus-beam'}:
    assert [s for s in shown if f'{s} '.startswith(f'{name} ')], name


def test_bash_commands_are_run_by_ci():
  ci = (ROOT / '.ci' / 'run').read_text()
  shown = set(re.findall(r'bash (scripts/\w+\.sh)', DOCUMENTS))
  for script in shown:
    assert (ROOT / script).exists()
    assert script in ci


def test_links_lead_somewhere():
  for page in sorted(ROOT.rglob('*.md')):
    if {'.venv', 'runs'} & set(page.relative_to(ROOT).parts):
      continue
    for link in re.findall(r'\]\(([^)#:]+)(?:#[^)]*)?\)', page.read_text()):
      assert (page.parent / link).exists(), f'{page}: {link}'


def test_the_front_page_is_short():
  assert len(re.sub('```.*?```', '', README, flags=re.S).split()) < 650


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
  shown = set(re.findall(r'--config\.([\w.]+)=', DOCUMENTS + SLICES))
  assert len(shown) >= 6
  for key in shown - {'KEY', 'a.key'}:
    assert any(has(config, key) for config in loaded.values()), key
  # A whole command shows keys of its own config.
  for command in COMMANDS:
    for name in re.findall(r'--config=(\w+)', command):
      for key in re.findall(r'--config\.([\w.]+)=', command):
        assert has(loaded[name], key), command


def test_flags_that_documents_show_exist():
  base = (
    *('quickstart', 'pretrain_pubmed_packed', 're_gad'),
    *('qa_squad_v2', 'qa_pubmedqa'),
  )
  text = ''.join((DOCUMENTS, *DOCSTRINGS))
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
  monkeypatch.setenv('BIOBERT_CACHE', str(tmp_path / 'cache'))
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
  for fold in (1, 2):
    small_relations.write(tmp_path / 'ten' / str(fold))
  trained = 0
  for command in COMMANDS:
    for task in re.findall(r'^score (\w+)', command):
      names['GOLD'] = str(tmp_path / f'{task}.gold')
      names['PREDICTIONS'] = str(tmp_path / f'{task}.said')
    for placeholder, value in names.items():
      command = re.sub(rf'\b{placeholder}\b', value, command)
    command = command.replace(':base', ':tiny')
    for shown, run in SHORTER.items():
      command = command.replace(shown, run)
    arguments = shlex.split(command)
    words = 1 + (arguments[0] in ('score', 'cache'))
    program = ' '.join(arguments[:words])
    config = next((a for a in arguments if a.startswith('--config=')), '')
    training = program == 'train'
    trained += training and not re.search('=(pretrain|re_|qa_)', config)
    folder = f'{tmp_path}/{trained}'
    arguments = [
      re.sub(r'runs/x\b', folder, a).replace('runs/', f'{tmp_path}/')
      for a in arguments
    ]
    if program == 'prepare-corpus':
      names['CORPUS'] = f'{folder}/corpus'
    if program == 'preflight' and not LIBTPU:
      continue  # tests/tpu says why.
    more = SMALL if PROGRAMS[program].has_config else ()
    if 'pretrain' in config:
      more = (*SMALL, '--config.train.steps=2', '--config.batch_size=16')
    if training and '=qa_' in config:
      more = (*SMALL, *SHORT, *(SPANS if 'squad' in config else ()))
    assert main([*arguments, *more]) == 0, command
    printed = capsys.readouterr().out
    assert isinstance(json.loads(printed.splitlines()[-1]), dict), command
  assert trained >= 3


@pytest.fixture(scope='module')
def quickstart(tmp_path_factory):
  """A folder with a small `runs/quickstart`, as the quick start leaves it."""
  folder = tmp_path_factory.mktemp('front_page')
  (folder / 'biobert_jax').symlink_to(ROOT / 'biobert_jax')
  made = folder / 'runs' / 'quickstart'
  text, vocabulary = SAMPLE / 'pubmed' / '*.xml', made / 'vocabulary'
  lower = '--do_lower_case=true'
  steps = ('--config.train.steps=2', '--config.train.evaluations=1')
  for command in (
    ('build-vocabulary', f'--input={text}', f'--output={vocabulary}', lower)
    + ('--size=500',),
    ('prepare-corpus', f'--input={text}', f'--output={made}/corpus', lower)
    + (f'--vocab={vocabulary}/vocab.txt', '--held_out=0.1'),
    ('train', '--config=quickstart_pretrain:tiny', *steps)
    + (f'--workdir={made}/pretrained', f'--config.data.dir={made}/corpus'),
    ('train', '--config=quickstart:tiny', f'--workdir={made}', *steps)
    + (f'--config.init_from={made}/pretrained',),
  ):
    assert main(command) == 0
  return folder


def test_the_five_jobs_run_as_they_are_pasted(quickstart, monkeypatch, capsys):
  monkeypatch.chdir(quickstart)
  blocks = re.findall(r'```bash\n(biobert-jax .*?)```', README, flags=re.S)
  assert len(blocks) == 5
  for block in blocks:
    _, *arguments = shlex.split(block.replace('\\\n', ' '))
    small = ('--config.train.steps=4',) * (arguments[0] == 'train')
    assert main([*arguments, *small]) == 0, block
    printed = capsys.readouterr().out
    assert isinstance(json.loads(printed.splitlines()[-1]), dict), block


def test_the_python_example_runs(quickstart):
  (code,) = re.findall(r'```python\n(.*?)```', README, flags=re.S)
  done = subprocess.run(
    [sys.executable, '-c', code],
    cwd=quickstart,
    env={**os.environ, 'PYTHONPATH': str(ROOT)},
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr

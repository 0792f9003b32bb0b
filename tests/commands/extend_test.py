"""The command that extends a model: its folder, its words, its refusals."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from biobert_jax.checkpoints import export, huggingface, name_map, pretrained
from biobert_jax.checkpoints.formats import safetensors_file
from biobert_jax.commands.main import main
from biobert_jax.io.json_files import write_json
from biobert_jax.models.config import BertConfig
from biobert_jax.text.vocabulary import SPECIALS
from biobert_jax.text.wordpiece import WordPieceTokenizer

ROOT = pathlib.Path(__file__).parents[2]
PIECES = (*SPECIALS, '[unused1]', 'gen', '##e', '##s')
CONFIG = BertConfig(
  vocab_size=len(PIECES),
  hidden_size=8,
  num_hidden_layers=1,
  num_attention_heads=2,
  intermediate_size=16,
  max_position_embeddings=16,
)


@pytest.fixture(scope='module')
def model(tmp_path_factory):
  """A masked-LM model in the form of Hugging Face."""
  made = tmp_path_factory.mktemp('model')
  draw = np.random.default_rng(5).normal
  params = {
    row.ours: draw(size=row.sizes(CONFIG)).astype(np.float32)
    for row in name_map.table(CONFIG.num_hidden_layers)
    if row.group in (name_map.ENCODER, 'masked_lm')
  }
  stored = name_map.write(
    params, name_map.HUGGINGFACE, CONFIG.num_hidden_layers
  )
  safetensors_file.write(made / 'model.safetensors', stored, {})
  config = huggingface.config_json(CONFIG, 'masked_lm', ())
  write_json(made / 'config.json', config)
  WordPieceTokenizer(PIECES, True).save(made)
  return made


@pytest.fixture
def extend(model, tmp_path, capsys):
  """Runs it in this process: exit code, standard output, standard error."""

  def run(*options, pieces=''):
    path = tmp_path / 'pieces.txt'
    path.write_text(pieces, 'utf-8')
    options = [option.replace('PIECES', str(path)) for option in options]
    output = tmp_path / 'out'
    given = [f'--model={model}', f'--output={output}', *options]
    code = main(['extend', *given])
    said = capsys.readouterr()
    assert output.exists() == (code == 0)
    return code, said.out, said.err

  return run


def test_the_program_runs_from_any_folder(model, tmp_path):
  (tmp_path / 'pieces.txt').write_text('genes\ngen\n##es\nβ\n', 'utf-8')
  done = subprocess.run(
    [
      *(sys.executable, '-m', 'biobert_jax', 'extend'),
      *(f'--model={model}', '--output=out'),
      *('--pieces=pieces.txt', '--max_position_embeddings=24'),
    ],
    cwd=tmp_path,
    capture_output=True,
    text=True,
    env=os.environ | {'PYTHONUTF8': '1', 'PYTHONPATH': str(ROOT)},
  )
  assert done.returncode == 0, done.stderr
  (line,) = done.stdout.splitlines()
  report = json.loads(line)
  old = ['gen', '##e', '##s']
  assert report['pieces'] == {
    'vocab_size': [len(PIECES), len(PIECES) + 3],
    'new_pieces': 3,
    'over_unused': False,
    'already_there': 1,
    'unknown_before': ['β'],
    'first': {'genes': old, '##es': old[1:], 'β': ['[UNK]']},
  }
  assert report['max_position_embeddings'] == [16, 24]
  for said in (
    '3 new tokens appended at the end (1 already existed)',
    '1 were [UNK] before',
    'positions 16 -> 24',
  ):
    assert said in done.stderr
  table = (tmp_path / 'out' / 'new_pieces.tsv').read_text('utf-8')
  assert table.splitlines()[1:] == [
    f'{len(PIECES)}\tgenes\tgen ##e ##s',
    f'{len(PIECES) + 1}\t##es\t##e ##s',
    f'{len(PIECES) + 2}\tβ\t[UNK]',
  ]
  assert 'new_pieces.tsv' in (tmp_path / 'out' / 'SHA256SUMS').read_text()
  again = pretrained.load_pretrained(tmp_path / 'out')
  assert again.tokenizer.tokenize('genes') == ['genes']
  assert again.bert.max_position_embeddings == 24
  assert again.params['cls/predictions/bias'].shape == (len(PIECES) + 3,)
  assert len(again.about['extended']) == 2


def test_an_extended_model_is_extended_and_exported(model, extend, tmp_path):
  code, out, err = extend('--pieces=PIECES', '--over_unused', pieces='genes\n')
  assert code == 0
  assert 'over [unused*] slots' in err
  assert json.loads(out)['pieces']['first'] == {'genes': ['gen', '##e', '##s']}
  made = pretrained.load_pretrained(tmp_path / 'out')
  assert made.tokenizer.pieces.index('genes') == PIECES.index('[unused1]')
  export.export(made, 'huggingface', str(tmp_path / 'exported'))
  card = (tmp_path / 'exported' / 'README.md').read_text('utf-8')
  assert '1 tokens added over [unused*] slots' in card
  again = pretrained.load_pretrained(tmp_path / 'exported')
  assert again.tokenizer == made.tokenizer


@pytest.mark.parametrize(
  ('options', 'pieces', 'message'),
  [
    ([], '', 'nothing to extend; give --pieces'),
    (['--over_unused'], '', '--over_unused needs --pieces'),
    (['--max_position_embeddings=8'], '', '=8: the model has 16'),
    (['--pieces=PIECES'], 'genes\nIL-2\n', "pieces.txt:2: 'IL-2' is cut into"),
    (['--pieces=PIECES'], 'genes\nGenes\n', "pieces.txt:2: 'Genes' is never"),
    (['--pieces=PIECES'], 'genes\n\ngens\n', 'pieces.txt:2: empty line'),
    (
      ['--pieces=PIECES', '--over_unused'],
      'genes\ngens\n',
      '2 new tokens, but only 1 [unused*] slots',
    ),
    (['--pieces=none.txt'], '', 'none.txt: cannot read'),
  ],
)
def test_bad_input_is_one_line_and_writes_nothing(
  extend, options, pieces, message
):
  code, out, err = extend(*options, pieces=pieces)
  assert (code, out) == (3, '')
  last = err.splitlines()[-1]
  assert last.startswith('error: ')
  assert message in last

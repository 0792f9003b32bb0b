"""What preflight says, with a compiler whose answers are a formula."""

import importlib
import json
import pathlib

import pytest

import configs
from biobert_jax.errors import InputError
from biobert_jax.preflight import compiler as preflight_compiler
from biobert_jax.preflight import preflight
from biobert_jax.preflight.compiler import Compiled, Memory
from biobert_jax.preflight.program_cost import Collectives, ProgramCost
from configs import ner_ncbi_disease, pretrain_biobert_v1_1_pubmed, re_chemprot

FLOPS = 300.88249344e9  # Of a row: tests/models/flops_test.py.
STATE, ROW = 1_300_000_000, 350_000_000


class Compiler:
  """Memory by rows; half of it for remat, a quarter for all of it."""

  def __init__(self):
    self.asked = []

  def __call__(
    self, slice_, config, vocab_size, labels, folder, to_the_end, step
  ):
    (folder / 'module.txt').write_text('x')
    if step == 'evaluate':
      assert not to_the_end
      return self.evaluation(slice_, config, vocab_size)
    self.asked.append((slice_.name, config, labels, folder))
    rows = config.batch_size // slice_.chips
    share = {'none': 4, 'names': 2, 'full': 1}[config.compute.remat]
    if config.mesh.strategy == 'fsdp':
      raise InputError(f'{slice_.name}: no fsdp')
    used = rows * ROW * share // 4 // config.accumulate
    memory = Memory(STATE, 0, used, ((used, f'{rows} x f32[12]'),))
    cost = ProgramCost(
      3_610_632_499_200 * rows // 12,
      24_973_736_139,
      (Collectives('all-reduce', 'bf16', slice_.chips, 2, 217_865_868),),
      0,
      0,
    )
    cycles = 96_000_000 if to_the_end else None
    return Compiled(memory, cost, cycles, vocab_size, FLOPS, 7.0)

  def evaluation(self, slice_, config, vocab_size):
    used = config.train.eval_batch_size // slice_.chips * ROW // 10
    memory = Memory(STATE // 3, 7, used, ())
    cost = ProgramCost(1, 1, (), 0, 0)
    return Compiled(memory, cost, None, vocab_size, FLOPS, 1.0)


@pytest.fixture
def compiler(monkeypatch):
  compiler = Compiler()
  monkeypatch.setattr(preflight_compiler, 'compile_for', compiler)
  monkeypatch.setattr(preflight_compiler, 'check_compiler', lambda: '0.0.42.1')
  return compiler


def config_of(**changes):
  config = pretrain_biobert_v1_1_pubmed.get_config()
  changed = {k.replace('__', '.'): v for k, v in changes.items()}
  config.update_from_flattened_dict(changed)
  return config


def run(config, *names, price=0.0, full=False, search=False, hlo=''):
  return preflight.preflight(config, names, 28_996, price, full, search, hlo)


def printed(capsys):
  out, table = capsys.readouterr()
  return [json.loads(line) for line in out.splitlines()], table


def test_each_slice_is_a_line_and_a_column(compiler, capsys):
  report = run(config_of(), 'v5e-16', 'v4-32', price=1.2)
  assert report == {'fits': {'v5e-16': True, 'v4-32': True}}
  rows, table = printed(capsys)
  assert [row['topology'] for row in rows] == ['v5e-16', 'v4-32']
  v5e = rows[0]
  assert (v5e['chips'], v5e['hosts'], v5e['rows_per_chip']) == (16, 4, 12)
  assert v5e['hbm'] == {
    'arguments': STATE,
    'outputs': 0,
    'temporaries': 12 * ROW,
    'total': STATE + 12 * ROW,
    'limit': int(15.75 * 2**30),
  }
  assert v5e['flops'] / v5e['flops_of_model'] == pytest.approx(1, abs=1e-4)
  seconds = v5e['seconds']
  assert seconds['compute'] == pytest.approx(18.33e-3, rel=1e-3)
  assert seconds['memory'] == pytest.approx(30.49e-3, rel=1e-3)
  assert seconds['step'] == seconds['memory'] + seconds['links']
  peak = 16 * 197e12
  mfu = 192 * FLOPS / peak / seconds['step']
  assert v5e['mfu_bound'] == pytest.approx(mfu)
  assert v5e['pieces_per_second'] == pytest.approx(192 * 512 / seconds['step'])
  assert v5e['chip_hours'] == pytest.approx(1e6 * seconds['step'] / 3600 * 16)
  assert v5e['dollars'] == pytest.approx(1.2 * v5e['chip_hours'])
  assert any('28996 tokens' in line for line in v5e['assumed'])
  lines = table.splitlines()
  assert lines[0].split() == ['v5e-16', 'v4-32']
  assert any(
    line.split() == ['rows', 'a', 'chip', '12', '12'] for line in lines
  )
  assert len({len(line) for line in lines[:10]}) == 1


def test_evaluation_needs_the_state_too(compiler, capsys):
  run(config_of(train__eval_batch_size=192), 'v5e-16')
  rows, table = printed(capsys)
  assert rows[0]['evaluation'] == {
    'batch_size': 192,
    'outputs': 7,
    'temporaries': 12 * ROW // 10,
    'total': STATE + 7 + 12 * ROW // 10,
    'fits': True,
  }
  (line,) = (line for line in table.splitlines() if 'evaluates' in line)
  assert line.split()[-2:] == ['1.72', 'GB']


def test_an_evaluation_that_does_not_fit_names_its_key(compiler, capsys):
  config = config_of(train__eval_batch_size=16 * 480)
  words = 'evaluation does not fit v5e-16: train.eval_batch_size is 7680'
  with pytest.raises(InputError, match=words):
    run(config, 'v4-32', 'v5e-16')
  rows, table = printed(capsys)
  assert [row['evaluation']['fits'] for row in rows] == [True, False]
  assert rows[1]['fits']  # Training does.
  assert '18.10 GB NO' in table


def test_no_corpus_is_asked_for(compiler):
  run(config_of(data__dir='/no/such/files-*'), 'v5e-16')
  ((_, config, labels, _),) = compiler.asked
  assert (config.data.dir, labels) == ('', ())


CONFIGS = sorted(
  path.stem for path in pathlib.Path(configs.__path__[0]).glob('[a-z]*.py')
)


@pytest.mark.parametrize('name', CONFIGS)
def test_every_config_can_be_asked_about(compiler, name):
  config = importlib.import_module(f'configs.{name}').get_config('base')
  config.batch_size = 32
  assert run(config, 'v5e-16') == {'fits': {'v5e-16': True}}


@pytest.mark.parametrize(
  ('module', 'labels'), [(ner_ncbi_disease, 3), (re_chemprot, 6)]
)
def test_tasks_have_labels_and_no_hours(compiler, capsys, module, labels):
  config = module.get_config('base')
  config.batch_size = 32
  run(config, 'v5e-16')
  ((_, _, given, _),) = compiler.asked
  assert len(given) == labels
  assert 'hours' not in printed(capsys)[0][0]


def test_a_step_that_does_not_fit_gets_remedies(compiler, capsys):
  config = config_of(batch_size=16 * 80)
  with pytest.raises(InputError, match='v5e-16.*compute.remat=names it does'):
    run(config, 'v5p-16', 'v5e-16')
  rows, table = printed(capsys)
  assert [row['fits'] for row in rows] == [True, False]
  assert 'remedies' not in rows[0]
  tried = {r['remedy']: r['fits'] for r in rows[1]['remedies']}
  # Once one of a kind fits, its stronger sisters are not compiled.
  assert tried == {
    'moments sharded': False,
    'remat of names': True,
    '2 microbatches': True,
    'fsdp': False,
  }
  assert 'largest arrays of a chip' in table
  assert '80 x f32[12]' in table
  assert 'fsdp: does not fit, v5e-16: no fsdp' in table


def test_where_no_remedy_is_enough_two_together_are_tried(compiler, capsys):
  # A quarter by remat or an eighth by microbatches, and each alone too much.
  config = config_of(batch_size=16 * 400)
  with pytest.raises(InputError, match='remat=full --config.accumulate=8 it'):
    run(config, 'v5e-16')
  tried = printed(capsys)[0][0]['remedies']
  assert [r['fits'] for r in tried] == [False] * 7 + [True]


def test_where_nothing_helps_it_says_so(compiler):
  config = config_of(batch_size=16 * 16 * 400)
  with pytest.raises(InputError, match='smaller batch or more chips'):
    run(config, 'v5e-16')


@pytest.mark.parametrize('rows', [12, 40, 44, 45, 80, 2000])
def test_the_largest_batch_is_found(compiler, capsys, rows):
  config = config_of(batch_size=16 * rows)
  try:
    run(config, 'v5e-16', search=True)
  except InputError:
    assert rows > 44
  found = printed(capsys)[0][0]['largest']
  # (16.91 - 1.3) / 0.35 = 44.6 rows.
  assert 44 - 44 // 16 <= found['rows_per_chip'] <= 44
  assert 44 < found['does_not_fit'] <= found['rows_per_chip'] + 44 // 16 + 1
  assert found['batch_size'] == 16 * found['rows_per_chip']
  assert len(compiler.asked) < 14  # Eight of them remedies.


def test_the_largest_batch_is_one_that_microbatches_share(compiler, capsys):
  run(config_of(accumulate=8), 'v6e-16', search=True)
  assert printed(capsys)[0][0]['largest']['rows_per_chip'] % 8 == 0


def test_to_the_end_there_are_cycles(compiler, capsys):
  run(config_of(), 'v5e-16', full=True)
  rows, table = printed(capsys)
  assert rows[0]['estimated_cycles'] == 96_000_000
  assert rows[0]['estimated_seconds'] == pytest.approx(0.064)
  last = [line.split()[-1] for line in table.splitlines()]
  assert last[last.index('96.0') + 1] == '64.0'


def test_the_program_is_kept_where_asked(compiler, tmp_path):
  run(config_of(), 'v5e-16', 'v4:2x2x4', hlo=str(tmp_path))
  assert (tmp_path / 'v5e-16-train' / 'module.txt').exists()
  assert (tmp_path / 'v4-2x2x4-evaluate' / 'module.txt').exists()
  with pytest.raises(InputError, match='not empty; name another'):
    run(config_of(), 'v5e-16', hlo=str(tmp_path))


def test_otherwise_nothing_is_left(compiler):
  run(config_of(), 'v5e-16')
  assert not compiler.asked[0][3].exists()


@pytest.mark.parametrize(
  ('changes', 'names', 'words'),
  [
    ({}, (), 'needs --topology'),
    ({}, ('v5e-17',), 'the nearest: v5e-16'),
    ({'price': -1.0}, ('v5e-16',), '--price -1.0'),
  ],
)
def test_bad_input_is_told_before_anything_is_compiled(
  compiler, changes, names, words
):
  with pytest.raises(InputError, match=words):
    run(config_of(), *names, **changes)
  assert not compiler.asked


def test_the_config_is_checked(compiler):
  with pytest.raises(InputError, match='accumulate is 0'):
    run(config_of(accumulate=0), 'v5e-16')

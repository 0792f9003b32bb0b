"""The paper's pre-training steps, as the TPU's compiler makes them.

`NAME.jsonl` holds what `preflight` printed of a config. A change that adds a
message, more than 1 % of traffic or of operations, or more than 2 % of memory
fails here, before it is paid for on a pod.

`BIOBERT_LIBTPU` names a folder that holds libtpu; without it these skip. A step
takes a minute or more to compile: each config has one topology, with one core a
chip and with two; the others wait for `BIOBERT_EVERY_TOPOLOGY=1`.
"""

import importlib
import json
import os
import pathlib
import subprocess
import sys

import pytest

from biobert_jax.preflight import compiler, preflight

VARIABLE = 'BIOBERT_LIBTPU'
LIBTPU = os.environ.get(VARIABLE, '')
FOLDER = pathlib.Path(__file__).parent
EVERY = 'BIOBERT_EVERY_TOPOLOGY'
ROWS = [
  (path.stem, row)
  for path in sorted(FOLDER.glob('*.jsonl'))
  for row in map(json.loads, path.read_text().splitlines())
  if 'topology' in row  # The last line is a summary.
]


def marks(name, topology):
  chosen = 'v5e-16' if 'large' in name else 'v4-32'
  minutes = topology != chosen and not os.environ.get(EVERY)
  return pytest.mark.skipif(minutes, reason=f'minutes: set {EVERY}=1')


needs_libtpu = pytest.mark.skipif(
  not LIBTPU, reason=f'no libtpu: {VARIABLE} names no folder (CONTRIBUTING.md)'
)


def sent(row):
  """Messages by what they are, without their bytes."""
  names = ('kind', 'dtype', 'group', 'count')
  return [[m[name] for name in names] for m in row['collectives']]


def sent_bytes(row):
  return sum(m['bytes'] for m in row['collectives'])


@needs_libtpu
@pytest.mark.parametrize(
  ('name', 'before'),
  [
    pytest.param(
      *(name, row),
      id=f'{name}-{row["topology"]}',
      marks=marks(name, row['topology']),
    )
    for name, row in ROWS
  ],
)
def test_a_step_asks_for_no_more_than_before(name, before, monkeypatch, capsys):
  monkeypatch.syspath_prepend(LIBTPU)
  module = importlib.import_module(f'configs.{name}')
  vocab_size = before['vocab_size']
  preflight.preflight(
    module.get_config(), [before['topology']], vocab_size, 0.0, False, False, ''
  )
  now = json.loads(capsys.readouterr().out.splitlines()[0])
  assert sent(now) == sent(before)
  assert sent_bytes(now) <= 1.01 * sent_bytes(before)
  assert now['hbm_traffic'] <= 1.01 * before['hbm_traffic']
  assert now['flops'] <= 1.01 * before['flops']
  assert now['random_bytes'] <= 1.01 * before['random_bytes']
  assert now['hbm']['total'] <= 1.02 * before['hbm']['total']
  assert now['rematerialized'] <= before['rematerialized']


@needs_libtpu
def test_a_batch_that_the_slice_cannot_share_is_refused(monkeypatch):
  monkeypatch.syspath_prepend(LIBTPU)
  module = importlib.import_module('configs.pretrain_biobert_v1_1_pubmed')
  config = module.get_config()
  config.batch_size = 208
  with pytest.raises(
    ValueError, match='v5e-32: batch_size is 208.*nearest 192'
  ):
    preflight.preflight(config, ['v5e-32'], 28_996, 0.0, False, False, '')


@needs_libtpu
def test_between_slices_go_gradients_alone_and_once(monkeypatch, capsys):
  monkeypatch.syspath_prepend(LIBTPU)
  module = importlib.import_module('configs.pretrain_biobert_v1_1_pubmed')
  config = module.get_config('tiny')
  config.unlock()
  config.batch_size = 192
  preflight.preflight(config, ['2xv5e-16'], 1000, 0.0, False, False, '')
  row = json.loads(capsys.readouterr().out.splitlines()[0])
  assert (row['chips'], row['hosts'], row['slices']) == (32, 8, 2)
  sent = {}
  for messages in row['collectives']:
    kind = messages['kind']
    sent[kind] = sent.get(kind, 0) + messages['bytes']
    assert messages['group'] == (2 if 'slices-' in kind else 16)
  across = {kind for kind in sent if kind.startswith('slices-')}
  assert across == {'slices-all-reduce'}
  # A chip sends its part of what its slice has summed; of this model, of a
  # few thousand numbers a layer, some sums go whole.
  within = sent['all-reduce'] + sent['reduce-scatter']
  assert 0 < sent['slices-all-reduce'] < within / 3
  assert row['seconds']['network'] > 0


@needs_libtpu
@pytest.mark.parametrize('strategy', ['dp', 'tp'])
def test_of_splash_attention_nothing_has_the_square_of_the_length(
  strategy, monkeypatch, capsys, tmp_path
):
  monkeypatch.syspath_prepend(LIBTPU)
  module = importlib.import_module('configs.pretrain_biobert_v1_1_pubmed')
  config = module.get_config('tiny')
  config.unlock()
  # Enough that scores find no room in the chip's core.
  config.batch_size = config.train.eval_batch_size = 96
  config.mesh.strategy = strategy
  config.mesh.model = 2 if strategy == 'tp' else 1
  config.model.attention_probs_dropout_prob = 0.0
  config.model.max_position_embeddings = config.data.max_seq_length = 2048
  rows = {}
  for name in ('einsum', 'splash_attention'):
    config.compute.attention = name
    folder = tmp_path / name
    folder.mkdir()
    preflight.preflight(
      config, ['v5e-16'], 1000, 0.0, False, False, str(folder)
    )
    rows[name] = json.loads(capsys.readouterr().out.splitlines()[0])
    programs = list(folder.glob('*/*after_optimizations.txt'))
    assert len(programs) == 2  # Training and evaluation.
    for program in programs:
      assert ('2048,2048]' in program.read_text()) == (name == 'einsum')
  einsum, splash = rows['einsum'], rows['splash_attention']
  assert splash['hbm']['temporaries'] < einsum['hbm']['temporaries'] / 3
  scoring = [row['evaluation']['temporaries'] for row in (einsum, splash)]
  assert scoring[1] < scoring[0] / 3
  assert splash['hbm_traffic'] < einsum['hbm_traffic'] / 2
  # Products of the kernel are counted: 9 where the model has 6.
  assert einsum['flops'] < splash['flops'] < 1.5 * einsum['flops']


SLICES = """
from jax.experimental import topologies
from biobert_jax.preflight import topology
for name in (*topology.names(), '2xv5e-16', '3xv4-32'):
  one = topology.parse_slice(name)
  found = topologies.get_topology_desc(platform='tpu', **one.description)
  hosts = len({device.process_index for device in found.devices})
  kind = found.devices[0].device_kind
  assert (len(found.devices), hosts) == (one.chips, one.hosts), name
  assert kind == one.chip.kind, name
"""


@needs_libtpu
def test_every_slice_has_the_chips_and_hosts_that_the_compiler_gives_it(
  monkeypatch,
):
  monkeypatch.syspath_prepend(LIBTPU)
  environment = compiler._environment()
  child = (sys.executable, '-c', SLICES)
  done = subprocess.run(child, env=environment, capture_output=True, text=True)
  assert done.returncode == 0, done.stderr

"""What is finished stays so, whatever a crash leaves of the last line."""

import json

import pytest
from etils import epath

from biobert_jax.errors import InputError
from biobert_jax.protocol import ledger

PROTOCOL = {'batch_size': 8, 'optim.learning_rate': 1e-5}


def line(digest, **more):
  return {
    'digest': digest,
    'run': f'run-{digest}',
    'stage': 'test',
    'fold': '',
    'data_sha256': 'abc',
    'seconds': 2.0,
  } | more


@pytest.fixture
def folder(tmp_path):
  """A ledger of two finished runs."""
  folder = epath.Path(tmp_path) / 'protocol'
  kept = ledger.open_ledger(folder, PROTOCOL)
  kept.add(line('a'))
  kept.add(line('b', seconds=4.0))
  return folder


def test_finished_runs_are_found_again(folder):
  kept = ledger.open_ledger(folder, PROTOCOL)
  assert 'a' in kept
  assert 'c' not in kept
  assert kept['b'] == line('b', seconds=4.0)
  assert kept.seconds == [2.0, 4.0]
  kept.add(line('c'))
  assert 'c' in kept
  assert len(ledger.read(folder)[1]) == 3


@pytest.mark.parametrize('cut', [1, 5, 60])
def test_a_cut_line_is_dropped_and_nothing_else(folder, cut):
  path = folder / ledger.LEDGER_FILE
  path.write_text(path.read_text()[:-cut])
  kept = ledger.open_ledger(folder, PROTOCOL)
  # Without its line break alone, a line is whole.
  assert ('b' in kept) == (cut == 1)
  assert 'a' in kept
  kept.add(line('c'))
  again = ledger.open_ledger(folder, PROTOCOL)
  assert 'c' in again
  assert again.seconds == kept.seconds


def test_another_protocol_is_refused_and_left_alone(folder):
  before = (folder / ledger.LEDGER_FILE).read_text()
  other = PROTOCOL | {'optim.learning_rate': 2e-5}
  with pytest.raises(InputError, match='another protocol') as caught:
    ledger.open_ledger(folder, other)
  assert 'optim.learning_rate: 1e-05 there, 2e-05 now' in str(caught.value)
  assert 'batch_size' not in str(caught.value)
  assert (folder / ledger.LEDGER_FILE).read_text() == before


def test_another_corpus_is_refused(folder):
  kept = ledger.open_ledger(folder, PROTOCOL)
  kept.check({('test', ''): 'abc', ('test', '4'): 'new'})
  with pytest.raises(InputError, match='run-a was trained on another corpus'):
    kept.check({('test', ''): 'def'})


@pytest.mark.parametrize(
  ('text', 'what'),
  [
    ('', 'is empty'),
    ('{"x": 1}\n', ':1: holds no'),
    ('{"protocol": {}}\n{"x": 1}\n', ':2: holds no'),
    ('{"protocol": {}}\nx\n{"digest": "a"}\n', ':2: not JSON'),
    ('[]\n', ':1: holds no'),
    (
      '{"protocol": {}}\n{"digest": "a", "devel": NaN}\n',
      ':2: a score is NaN, .*; delete this line, and the run is made again',
    ),
  ],
)
def test_what_is_not_ours_is_named(tmp_path, text, what):
  folder = epath.Path(tmp_path)
  (folder / ledger.LEDGER_FILE).write_text(text)
  with pytest.raises(InputError, match=what):
    ledger.read(folder)


def test_a_folder_without_a_ledger_is_named(tmp_path):
  with pytest.raises(InputError, match='biobert-jax protocol'):
    ledger.read(epath.Path(tmp_path))


def test_lines_are_json(folder):
  first, *rest = (folder / ledger.LEDGER_FILE).read_text().splitlines()
  assert json.loads(first) == {'protocol': PROTOCOL}
  assert [json.loads(text)['digest'] for text in rest] == ['a', 'b']

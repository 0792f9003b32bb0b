"""The same config in another process, at another time: the same bits.

The order of sets and dicts, the clock and the environment are others there. So
is a secret among its variables, which must stay out of all that it writes.
"""

import json
import pathlib
import subprocess
import sys

import jax

from tests.fault_injection import children
from tests.fault_injection.children import LAST
from tests.fixtures.saved_state import fingerprints_of

_CANARY = 'hf_canary0123456789'


def test_the_same_config_twice(whole, tmp_path, cache, monkeypatch):
  folder = tmp_path / 'run'
  options = {'workdir': str(folder)}
  monkeypatch.setenv('PYTHONHASHSEED', '4242')
  monkeypatch.setenv('TZ', 'Pacific/Kiritimati')
  for name in ('HF_TOKEN', 'WANDB_API_KEY', 'AWS_SECRET_ACCESS_KEY'):
    monkeypatch.setenv(name, _CANARY)
  child = subprocess.Popen(
    [sys.executable, '-m', 'tests.fault_injection.child', json.dumps(options)],
    env=children.environment(jax.device_count(), cache),
    cwd=children.ROOT,
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
  )
  process = pathlib.Path('/proc', str(child.pid))
  # The other seed and the secret have arrived, where only they can be seen.
  variables = (process / 'environ').read_bytes()
  assert b'PYTHONHASHSEED=4242' in variables
  assert _CANARY.encode() in variables
  assert _CANARY.encode() not in (process / 'cmdline').read_bytes()
  said, _ = child.communicate(timeout=400)
  assert child.returncode == 0, said
  ours, theirs = (children.losses_of(run) for run in (whole, folder))
  assert len(ours) == LAST
  assert {s: x.hex() for s, x in ours.items()} == {
    s: x.hex() for s, x in theirs.items()
  }
  assert fingerprints_of(folder, LAST) == fingerprints_of(whole, LAST)
  written = [path for path in folder.rglob('*') if path.is_file()]
  assert len(written) > 20
  for path in written:
    assert _CANARY.encode() not in path.read_bytes(), path
  assert _CANARY not in said

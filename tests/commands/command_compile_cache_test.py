"""Commands that run a model keep compiled programs, unless told not to."""

import pytest

from biobert_jax.commands import main
from biobert_jax.commands.command import COMPILE_CACHE
from biobert_jax.training import compile_cache, evaluate


@pytest.mark.parametrize(
  ('flag', 'done'),
  [
    ((), 'enable'),
    (('--no-compile-cache',), 'disable'),
    (('--compile-cache=false',), 'disable'),
  ],
)
def test_the_flag_decides(monkeypatch, tmp_path, flag, done):
  called = []
  for name in ('enable', 'disable'):
    monkeypatch.setattr(
      compile_cache, name, lambda name=name: called.append(name)
    )
  monkeypatch.setattr(evaluate, 'evaluate', lambda *_: {})
  assert main.main(['evaluate', f'--workdir={tmp_path}', *flag]) == 0
  assert called == [done]


def test_which_commands_compile():
  compiling = {n for n, c in main.COMMANDS.items() if COMPILE_CACHE in c.flags}
  assert compiling == {'train', 'evaluate', 'predict', 'embed', 'protocol'}

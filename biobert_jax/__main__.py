"""`python -m biobert_jax COMMAND`: flags, hosts, dispatch.

Standard output ends with one JSON object; logs go to standard error. Exits: 0
done, 1 failed (again), 3 wrong or too large, 4 diverged, 42 preempted (again).
"""

import importlib
import json
import logging
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

from absl import flags
from ml_collections import config_flags

from biobert_jax import errors

# A pod: --multihost; the others only where JAX cannot find them out.
_POD = {'multihost': False, 'coordinator': '', 'num_hosts': 0, 'host': 0}
# Command -> its flags with defaults; those with None must be given.
_FLAGS: dict[str, dict[str, Any]] = {
  'train': {'workdir': None},  # With --config=FILE.py:SIZE, as _CONFIGURED.
  'protocol': {'workdir': None, 'grid': '', 'seeds': '1', 'folds': ''}
  | {'corpus': ''},
  'table': {'workdirs': None, 'output': None},
  'evaluate': {'workdir': None, 'split': 'test', 'config.data.dir': ''},
  'predict': {'workdir': '', 'input': None, 'output': None, 'format': 'jsonl'}
  | {'model': '', 'do_lower_case': '', 'keep_entities': '', 'pipeline': ''},
  'embed': {'model': None, 'input': None, 'output': None, 'layers': '-1'}
  | {'pooling': 'mean', 'max_seq_length': '', 'do_lower_case': ''},
  'preflight': {'topology': [], 'vocab_size': 28_996, 'price': 0.0}
  | {'full': False, 'search': False, 'hlo': ''},
}
_ROOMS = {
  'train': 'training',
  'evaluate': 'training',
  'protocol': 'protocol',
  'table': 'protocol',
  'predict': 'inference',
  'embed': 'inference',
  'preflight': 'preflight',
}
_CONFIGURED = ('train', 'protocol', 'preflight')
_DEFINE: dict[type, Any] = {bool: flags.DEFINE_bool, int: flags.DEFINE_integer}
_DEFINE |= {str: flags.DEFINE_string, type(None): flags.DEFINE_string}
_DEFINE |= {float: flags.DEFINE_float, list: flags.DEFINE_multi_string}
_CONFIG_ERRORS = (flags.Error, AttributeError, KeyError, TypeError, OSError)


def _parse(command: str, arguments: Sequence[str]) -> flags.FlagValues:
  """Defines and reads the flags of a command."""
  values = flags.FlagValues()
  pod = _POD if command == 'train' else {}
  for name, default in (_FLAGS[command] | pod).items():
    _DEFINE[type(default)](name, default, '', flag_values=values)
  if command in _CONFIGURED:
    # It looks for overrides itself, in `sys.argv` unless told otherwise.
    config_flags.DEFINE_config_file(
      'config', flag_values=values, sys_argv=['', *arguments]
    )
  try:
    _, *stray = values(['', *arguments])
    if stray:
      raise errors.InputError(f'{stray[0]!r} is no flag; is its -- missing?')
    if missing := [f'--{n}' for n in values if values[n].value is None]:
      raise errors.InputError(f'{command} needs {", ".join(missing)}')
    if command in _CONFIGURED:
      values.config.keys()  # Raises here what kept the file from loading.
  except _CONFIG_ERRORS as error:
    # ml_collections wraps what a config file raises with its traceback.
    what = ' '.join(str(error).split('Error: ')[-1].split())
    if isinstance(error, AttributeError | KeyError):
      what = f'no such config key: {what}'
    raise errors.InputError(what) from error
  return values


def _run(command: str, values: flags.FlagValues) -> None:
  # Only now: wrong flags should not wait for JAX.
  hosts = importlib.import_module('biobert_jax.parallel.multihost')
  if joins := command == 'train' and bool(values.multihost or values.num_hosts):
    hosts.initialize(values.coordinator, values.num_hosts, values.host)
  room = f'biobert_jax.{_ROOMS[command]}.{command}'
  program = getattr(importlib.import_module(room), command)
  config = [values.config] if command in _CONFIGURED else []
  given = (*config, *(values[name].value for name in _FLAGS[command]))
  report = hosts.run_on_all_hosts(program, *given) if joins else program(*given)
  print(json.dumps(report, ensure_ascii=False))


def main(arguments: Sequence[str]) -> int:
  """Runs a command; returns its exit code."""
  if not arguments or arguments[0] not in _FLAGS:
    sys.stderr.write('usage: python -m biobert_jax COMMAND --flag=value ...\n')
    for name, defaults in _FLAGS.items():
      names = ['config'] * (name in _CONFIGURED) + [*defaults]
      sys.stderr.write(f'  {name:9} --{" --".join(names)}\n')
    return 0 if arguments in (['-h'], ['--help']) else errors.EXIT_BAD_INPUT
  logging.basicConfig(format='[%(asctime)s] %(message)s', datefmt='%H:%M:%S')
  logging.getLogger('biobert_jax').setLevel(logging.INFO)
  # configs/ import each other, whatever the current folder is.
  sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
  command, *rest = arguments
  return errors.exit_code_of(lambda: _run(command, _parse(command, rest)))


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))

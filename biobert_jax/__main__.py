"""`python -m biobert_jax COMMAND`: flags, hosts, dispatch.

Standard output ends with one JSON object; logs go to standard error. Exit
codes: 0 done, 1 failed (run again), 3 wrong config or data, or the folder is
another run's, 4 diverged, 42 preempted (run again).
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

# Command -> its text flags with defaults; those with None must be given.
_FLAGS: dict[str, dict[str, str | None]] = {
  'train': {'workdir': None},  # With --config=FILE.py:SIZE, as the next.
  'protocol': {'workdir': None, 'grid': '', 'seeds': '1', 'folds': ''}
  | {'stack': 'auto', 'corpus': ''},
  'table': {'workdirs': None, 'output': None},
  'evaluate': {'workdir': None, 'split': 'test', 'config.data.dir': ''},
  'predict': {'workdir': '', 'input': None, 'output': None, 'format': 'jsonl'}
  | {'model': '', 'do_lower_case': '', 'keep_entities': '', 'pipeline': ''},
  'embed': {'model': None, 'input': None, 'output': None, 'layers': '-1'}
  | {'pooling': 'mean', 'max_seq_length': '', 'do_lower_case': ''},
}
_CONFIGURED = ('train', 'protocol')
_CONFIG_ERRORS = (flags.Error, AttributeError, KeyError, TypeError, OSError)


def _parse(command: str, arguments: Sequence[str]) -> flags.FlagValues:
  """Defines and reads the flags of a command."""
  values = flags.FlagValues()
  for name, default in _FLAGS[command].items():
    flags.DEFINE_string(name, default, '', flag_values=values)
  if command in _CONFIGURED:
    # It looks for overrides itself, in `sys.argv` unless told otherwise.
    config_flags.DEFINE_config_file(
      'config', flag_values=values, sys_argv=['', *arguments]
    )
  if command == 'train':
    # A pod: --multihost; the others only where JAX cannot find them out.
    flags.DEFINE_bool('multihost', False, '', values)
    flags.DEFINE_string('coordinator', '', '', values)
    for name in ('num_hosts', 'host'):
      flags.DEFINE_integer(name, 0, '', flag_values=values)
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


def _run(command: str, values: flags.FlagValues) -> dict[str, Any]:
  # Only now: wrong flags should not wait for JAX.
  hosts = importlib.import_module('biobert_jax.hosts')
  if joins := command == 'train' and bool(values.multihost or values.num_hosts):
    hosts.join(values.coordinator, values.num_hosts, values.host)
  program = getattr(importlib.import_module(f'biobert_jax.{command}'), command)
  names = ['config'] * (command in _CONFIGURED) + [*_FLAGS[command]]
  arguments = [values[name].value for name in names]
  return hosts.together(program, *arguments) if joins else program(*arguments)


def main(arguments: Sequence[str]) -> int:
  """Runs a command; returns its exit code."""
  if not arguments or arguments[0] not in _FLAGS:
    known = ''.join(f'  {n:8} --{" --".join(_FLAGS[n])}\n' for n in _FLAGS)
    sys.stderr.write(f'python -m biobert_jax COMMAND --flag=value ...\n{known}')
    return 0 if arguments in (['-h'], ['--help']) else errors.EXIT_BAD_INPUT
  logging.basicConfig(format='[%(asctime)s] %(message)s', datefmt='%H:%M:%S')
  logging.getLogger('biobert_jax').setLevel(logging.INFO)
  # configs/ import each other, whatever the current folder is.
  sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

  def program() -> None:
    report = _run(arguments[0], _parse(arguments[0], arguments[1:]))
    print(json.dumps(report, ensure_ascii=False))

  return errors.exit_code_of(program)


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))

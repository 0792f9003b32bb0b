"""`python -m biobert_jax COMMAND`: flags, hosts, dispatch.

The last line of standard output is one JSON object; logs go to standard
error. Exit codes: 0 done, 3 wrong config or data, 4 diverged, 42 preempted
(run the same command again).
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

_HELP = """usage: python -m biobert_jax COMMAND [--flag=value ...]

  train     --config=configs/NAME.py:VARIANT --workdir=DIR [--config.KEY=VALUE]
  evaluate  --workdir=DIR --split=test [--config.data.dir=DIR]
  predict   --workdir=DIR --input=FILE_OR_- --output=OUT --format=FORMAT
"""
_SPLITS = ['train', 'devel', 'train_dev', 'test']
_FORMATS = ['jsonl', 'brat', 'pubtator', 'conll', 'html']


def _parse(command: str, arguments: Sequence[str]) -> flags.FlagValues:
  """Defines and reads the flags of a command."""
  values = flags.FlagValues()
  required = ['workdir']

  def text(name: str, default: str | None, what: str) -> None:
    flags.DEFINE_string(name, default, what, flag_values=values)

  text('workdir', None, 'The folder of the run.')
  if command == 'train':
    config_flags.DEFINE_config_file('config', flag_values=values)
    required.append('config')
    flags.DEFINE_bool('multihost', False, 'Join the hosts.', values)
    text('coordinator', None, 'HOST:PORT of host 0, where not found out.')
    flags.DEFINE_integer('num_hosts', None, 'How many.', flag_values=values)
    flags.DEFINE_integer('host', None, 'This one.', flag_values=values)
  if command == 'evaluate':
    flags.DEFINE_enum('split', 'test', _SPLITS, 'Scored.', flag_values=values)
    text('config.data.dir', None, 'The corpus, if it has moved.')
  if command == 'predict':
    text('input', None, 'Raw text, one document a line, or PubTator.')
    text('output', None, 'File to write; for brat a folder.')
    flags.DEFINE_enum('format', 'jsonl', _FORMATS, 'Form.', flag_values=values)
    required += ['input', 'output']
  # The flag library reads overrides of a config from the list it parses.
  values(['biobert_jax', *arguments])
  missing = [f'--{name}' for name in required if values[name].value is None]
  if missing:
    raise errors.InputError(f'{command} needs {", ".join(missing)}')
  return values


def _run(command: str, arguments: Sequence[str]) -> dict[str, Any]:
  try:
    values = _parse(command, arguments)
  # What the flag library raises for misspelt keys, wrong types, no such file.
  except (flags.Error, AttributeError, KeyError, TypeError, OSError) as error:
    raise errors.InputError(' '.join(str(error).split())) from error
  if command == 'train':
    if values.multihost:
      import jax

      jax.distributed.initialize(
        values.coordinator, values.num_hosts, values.host
      )
    train = importlib.import_module('biobert_jax.train')
    return train.train(values.config, values.workdir)
  if command == 'evaluate':
    evaluate = importlib.import_module('biobert_jax.evaluate')
    moved = values['config.data.dir'].value
    overrides = {'data.dir': moved} if moved else {}
    return evaluate.evaluate(values.workdir, values.split, overrides)
  predict = importlib.import_module('biobert_jax.predict')
  return predict.predict(
    values.workdir, values.input, values.output, values.format
  )


def main(arguments: Sequence[str]) -> int:
  """Runs a command; returns its exit code."""
  if not arguments or arguments[0] not in ('train', 'evaluate', 'predict'):
    sys.stderr.write(_HELP)
    return 0 if arguments in (['-h'], ['--help']) else errors.EXIT_BAD_INPUT
  logging.basicConfig(
    format='[%(asctime)s] %(message)s', datefmt='%H:%M:%S', stream=sys.stderr
  )
  logging.getLogger('biobert_jax').setLevel(logging.INFO)
  # configs/ import each other, whatever the current folder is.
  sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
  try:
    print(json.dumps(_run(arguments[0], arguments[1:]), ensure_ascii=False))
  except errors.InputError as error:
    sys.stderr.write(f'error: {error}\n')
    return errors.EXIT_BAD_INPUT
  except errors.DivergedError as error:
    sys.stderr.write(f'diverged: {error}\n')
    return errors.EXIT_DIVERGED
  except errors.PreemptedError as error:
    sys.stderr.write(f'preempted: {error}\n')
    return errors.EXIT_PREEMPTED
  return errors.EXIT_DONE


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))

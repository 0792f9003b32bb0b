"""`biobert-jax COMMAND`: finds the command, runs it, and ends with its code.

The last line of standard output is one JSON object. Logs and tables for
people go to standard error, and so does the JSON where a command's `--output`
is `-`, standard output.
"""

import importlib
import io
import json
import logging
import os
import sys
from collections.abc import Sequence

from biobert_jax import __version__, errors
from biobert_jax.commands import config_files, parser
from biobert_jax.commands.command import (
  COMPILE_CACHE,
  EXIT_CODES,
  PROGRAM,
  Command,
  Flags,
)
from biobert_jax.commands.values import did_you_mean
from biobert_jax.io import storage
from biobert_jax.io.atomic import is_stdout, named_when_full

# The files of the commands, in the order of the help.
_FILES = """
  train evaluate predict embed protocol table preflight score export
  import_weights extend build_vocabulary prepare_corpus prepare_corpus_beam
  corpus_report prepare_relation prepare_bioasq prepare_submission cache
"""

COMMANDS: dict[str, Command] = {}
for _name in _FILES.split():
  _file = importlib.import_module(f'biobert_jax.commands.{_name}')
  for _one in getattr(_file, 'COMMANDS', ()) or (_file.COMMAND,):
    COMMANDS[_one.name] = _one


def program_help(group: str = '') -> str:
  """The help of the program, or of the commands whose first word is given."""
  shown = {n: c for n, c in COMMANDS.items() if n.startswith(group)}
  width = max(map(len, shown))
  lines = [
    f'usage: {PROGRAM} {group or "COMMAND"} [flags]',
    '',
    'BioBERT in JAX: pre-training, entities, relations, answers, vectors.',
    '',
    'commands:',
    *(f'  {name:{width}}  {c.summary}' for name, c in shown.items()),
    '',
    f'`{PROGRAM} help COMMAND` and `{PROGRAM} COMMAND --help` describe one; '
    f'`{PROGRAM} --version` shows the version.',
    'Flags are written --name=value or --name value; hyphens and underscores '
    'are the same.',
    'The last line of standard output is one JSON object.',
    '',
    'exit codes:',
    *(f'  {code:>3}  {meaning}' for code, meaning in EXIT_CODES.items()),
  ]
  return '\n'.join(lines) + '\n'


def main(arguments: Sequence[str] | None = None) -> int:
  """Runs the command of some arguments, or of this process; its exit code."""
  for stream in (sys.stdout, sys.stderr):
    if isinstance(stream, io.TextIOWrapper):
      stream.reconfigure(encoding='utf-8')
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')  # JAX would set 1.
  given = list(sys.argv[1:] if arguments is None else arguments)

  def program() -> None:
    text = _main(given)
    with named_when_full('standard output'):
      sys.stdout.write(text)
      sys.stdout.flush()  # At its exit, Python would hide a full disk.

  try:
    code = errors.exit_code_of(program, storage.shown)
  except BrokenPipeError:  # Its reader has left, as `head` does.
    code = errors.EXIT_FAILED
  try:
    sys.stdout.flush()
  except OSError:  # What is left goes nowhere.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
  return code


def _main(arguments: list[str]) -> str:
  """Runs a command; returns what is left to write to standard output."""
  if not arguments:
    sys.stderr.write(program_help())
    raise errors.InputError('no command is given')
  if arguments == ['--version']:
    return f'{PROGRAM} {__version__}\n'
  if arguments[0] == 'help':
    arguments = [*arguments[1:], '--help']
  if arguments[0] in ('-h', '--help'):
    return program_help()
  name, rest = _find(arguments)
  if name not in COMMANDS:
    return program_help(name)
  if parsed := parser.parse(COMMANDS[name], rest):
    return _run(COMMANDS[name], *parsed)
  return parser.help_of(COMMANDS[name])


def _find(arguments: Sequence[str]) -> tuple[str, Sequence[str]]:
  """A command's or group's name, the rest; an InputError names the nearest."""
  first, *rest = (arguments[0].replace('_', '-'), *arguments[1:])
  if first in COMMANDS:
    return first, rest
  seconds = [n.split()[1] for n in COMMANDS if n.startswith(f'{first} ')]
  if not seconds:
    groups = dict.fromkeys(name.split()[0] for name in COMMANDS)
    known = (*COMMANDS, *groups, 'help', '--help', '--version')
    hint = did_you_mean(first, known)
    hint = hint or f'; `{PROGRAM} --help` lists the commands'
    raise errors.InputError(f'no command {first!r}{hint}')
  if rest and rest[0] in seconds:
    return f'{first} {rest[0]}', rest[1:]
  if rest and rest[0] in ('-h', '--help'):
    return first, rest
  what = repr(rest[0]) if rest else 'nothing'
  hint = did_you_mean(rest[0], seconds) if rest else ''
  what = f'{first} needs one of {", ".join(seconds)}, not {what}{hint}'
  raise errors.InputError(what)


def _names_as_given(record: logging.LogRecord) -> bool:
  """Lets a record pass, with the names of what was copied from a bucket."""
  record.msg, record.args = storage.shown(record.getMessage()), ()
  return True


def _run(command: Command, flags: Flags, overrides: parser.Overrides) -> str:
  logging.basicConfig(format='[%(asctime)s] %(message)s', datefmt='%H:%M:%S')
  logging.getLogger('biobert_jax').setLevel(logging.INFO)
  for handler in logging.getLogger().handlers:
    handler.addFilter(_names_as_given)
  if command.has_config:
    flags.config = config_files.load_config(flags.config, overrides)
  if COMPILE_CACHE in command.flags:
    # Only now: JAX takes a second to import.
    from biobert_jax.training import compile_cache

    keep = vars(flags)[COMPILE_CACHE.name]
    (compile_cache.enable if keep else compile_cache.disable)()
  line = json.dumps(command.run(flags), ensure_ascii=False) + '\n'
  results = [vars(flags)[f.name] for f in command.flags if f.path == 'stdout']
  taken = any(path and is_stdout(path) for path in results)
  if not taken:
    return line
  sys.stderr.write(line)
  return ''

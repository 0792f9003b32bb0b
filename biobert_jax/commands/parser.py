"""The one parser: values, help, and mistakes in one plain line."""

import argparse
import os
from collections.abc import Sequence
from typing import Any, NoReturn

from biobert_jax.commands.command import (
  EXIT_CODES,
  INPUT,
  PROGRAM,
  Command,
  Flag,
)
from biobert_jax.commands.nearest import did_you_mean, nearest_path
from biobert_jax.commands.spelling import Respelled
from biobert_jax.errors import InputError

_BOOLEANS = {'true': True, 'false': False}
_NUMBERS = {int: 'a whole number', float: 'a number'}
# Wide enough that each flag has its one line.
_WIDTH, _HELP_COLUMN = 120, 38


class _ArgumentParser(argparse.ArgumentParser):
  """argparse that raises an error instead of leaving with code 2."""

  def error(self, message: str) -> NoReturn:
    """Raises `InputError`."""
    raise InputError(message.removeprefix('argument '))


def parse(
  command: Command, arguments: Sequence[str]
) -> tuple[argparse.Namespace, list[tuple[str, str]]] | None:
  """Reads the command line of a command.

  Args:
    command: the command.
    arguments: what follows its name.

  Returns:
    The values of the flags by name, and the (key, text) pairs of overrides of
    the config; None where help is wanted.

  Raises:
    InputError: an unknown flag, a missing one, or a wrong value.
  """
  respelled = Respelled(command, arguments)
  if respelled.wants_help:
    return None
  flags, stray = _argument_parser(command).parse_known_args(respelled.arguments)
  if stray:
    raise InputError(_unexpected(command, stray[0]))
  flags.passed_on = respelled.passed_on
  values = vars(flags)
  for flag in command.flags:
    if values[flag.name] is None:
      values[flag.name] = flag.default
    elif flag.many:
      values[flag.name] = [_value(flag, text) for text in values[flag.name]]
    else:
      values[flag.name] = _value(flag, values[flag.name])
  missing = [
    flag.shown
    for flag in command.flags
    if flag.required and values[flag.name] is None
  ]
  if missing:
    raise InputError(f'{command.name} needs {", ".join(missing)}')
  return flags, respelled.overrides


def help_of(command: Command) -> str:
  """The text of `biobert-jax COMMAND --help`."""
  return _argument_parser(command).format_help()


def _argument_parser(command: Command) -> _ArgumentParser:
  needed = [
    f'{flag.shown}={flag.value_name}' if not flag.positional else flag.shown
    for flag in command.flags
    if flag.required
  ]
  about = [command.summary, *([command.about] if command.about else [])]
  made = _ArgumentParser(
    prog=f'{PROGRAM} {command.name}',
    usage=' '.join([f'{PROGRAM} {command.name}', *needed, '[flags]']),
    description='\n\n'.join(about),
    epilog=_epilog(command),
    formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(
      prog, max_help_position=_HELP_COLUMN, width=_WIDTH
    ),
    add_help=False,
    allow_abbrev=False,
  )
  group = made.add_argument_group('flags')
  group.add_argument('-h', '--help', action='help', help='show this help')
  for flag in command.flags:
    _add(group, flag)
  return made


def _epilog(command: Command) -> str:
  lines = ['examples:']
  lines += [f'  {PROGRAM} {example}' for example in command.examples]
  lines += ['', f'output files: {command.writes}', '', 'exit codes:']
  lines += [f'  {code:>3}  {EXIT_CODES[code]}' for code in command.exits]
  return '\n'.join(lines)


def _add(group: Any, flag: Flag) -> None:
  if flag.required:
    note = 'required'
  else:
    shown = flag.unset
    if flag.default not in (None, '', ()):
      value = flag.default
      shown = ' '.join(value) if flag.many else str(value)
      shown = shown.lower() if flag.type is bool else shown
    note = f'default: {shown}' if shown else ''
  text = flag.help
  if flag.choices:
    text += f': {", ".join(flag.choices)}'
  if note:
    text += f' ({note})'
  options: dict[str, Any] = {
    'metavar': flag.value_name,
    'help': text.replace('%', '%%'),
  }
  if flag.many:
    options |= {'nargs': '+', 'action': 'extend'}
  elif flag.positional:
    options['nargs'] = '?'
  names = [flag.name, *flag.aliases]
  group.add_argument(
    *(names[:1] if flag.positional else [f'--{name}' for name in names]),
    **options,
  )


def _value(flag: Flag, text: str) -> Any:
  """The value that the text of a flag stands for.

  Raises:
    InputError: the text is empty, of the wrong type, or not one of the choices.
  """
  if not text:
    raise InputError(
      f'{flag.shown} is empty (an unset variable of the shell?); give a value '
      'or leave the flag out'
    )
  if flag.choices and text not in flag.choices:
    raise InputError(
      f'{flag.shown} is {text!r}; choose from {", ".join(flag.choices)}'
      f'{did_you_mean(text, flag.choices)}'
    )
  if flag.path:
    return _path(flag, text)
  if flag.type is bool:
    if text.lower() not in _BOOLEANS:
      raise InputError(f'{flag.shown} is {text!r}; give true or false')
    return _BOOLEANS[text.lower()]
  try:
    return flag.type(text)
  except ValueError:
    raise InputError(
      f'{flag.shown} is {text!r}; give {_NUMBERS[flag.type]}'
    ) from None


def _path(flag: Flag, value: str) -> str:
  """The value of a path flag with `~` expanded.

  Raises:
    InputError: an input that does not exist, beside one of nearly its name.
  """
  if value == '-':
    if flag.stream:
      return value
    raise InputError(
      f'{flag.shown} is -, but only files are possible here; give a path'
    )
  value = os.path.expanduser(value)
  if flag.path == INPUT and (close := nearest_path(value)):
    raise InputError(
      f'{flag.shown} {value}: no such file or folder; did you mean {close}?'
    )
  return value


def _unexpected(command: Command, stray: str) -> str:
  name = stray.partition('=')[0].lstrip('-').replace('-', '_')
  names = [n for f in command.flags for n in (f.name, *f.aliases)]
  names += ['config'] * command.has_config
  if name in names or name.startswith('config.'):
    return f'unexpected argument {stray!r}; did you mean --{stray}?'
  hint = did_you_mean(name, names, '--')
  hint = hint or f'; the flags of {command.name} begin with --'
  return f'unexpected argument {stray!r}{hint}'

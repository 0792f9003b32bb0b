"""The one parser: values, help, and mistakes in one plain line.

`--max-seq-length 64` and `--max_seq_length=64` are the same, and so are
`--overwrite`, `--overwrite=true` and `--overwrite true`; `--no-overwrite` is
the opposite. A flag that does not exist is refused, with the nearest one.
"""

import fnmatch
import glob
import os
from collections.abc import Iterable
from typing import Any

from biobert_jax import errors
from biobert_jax.commands.command import (
  EXIT_CODES,
  PROGRAM,
  Command,
  Flag,
  Flags,
)
from biobert_jax.commands.values import (
  BOOLEANS,
  did_you_mean,
  nearest_path,
  typed,
)
from biobert_jax.errors import InputError
from biobert_jax.io import atomic, storage

_CONFIG = 'config.'
# Flags of other commands -> keys of the config that say the same.
_IN_CONFIG = {
  'do_lower_case': 'config.vocab.do_lower_case',
  'labels': 'config.init_from_labels',
}
_ABOUT_CONFIG = """\
Any key of the config is set by --config.KEY=VALUE, such as
--config.optim.learning_rate=3e-5. --do_lower_case and --labels, as other
commands spell them, set vocab.do_lower_case and init_from_labels."""

Overrides = list[tuple[str, str]]  # (config key, text) of --config.KEY=TEXT.


def parse(
  command: Command, arguments: Iterable[str]
) -> tuple[Flags, Overrides] | None:
  """Reads the command line of a command.

  Args:
    command: the command.
    arguments: what follows its name.

  Returns:
    The values of the flags, and the overrides of the config in order; None
    where help is wanted.

  Raises:
    InputError: an unknown flag, a missing one, or a wrong value.
  """
  line = _Line(command, arguments)
  if line.wants_help:
    return None
  values = {flag.name: flag.default for flag in command.flags} | line.values
  missing = [f.shown for f in command.flags if values[f.name] is ...]
  if missing:
    raise InputError(f'{command.name} needs {", ".join(missing)}')
  _check_apart(command, values)
  return Flags(**values, passed_on=line.passed_on), line.overrides


def _check_apart(command: Command, values: dict[str, Any]) -> None:
  """Refuses to write a file that is read too, also as a standard stream."""
  reads = [f for f in command.flags if f.path in ('input', 'stdin')]
  writes = [f for f in command.flags if f.path in ('output', 'stdout')]
  for output in writes:
    for path in _paths(output, values):
      place = '/dev/fd/1' if atomic.is_stdout(path) else path
      remote = '://' in path and not output.urls
      if not remote and not os.path.isfile(place):
        continue
      for flag in reads:
        for given in _paths(flag, values):
          if remote and not _names(flag, given, path):
            continue
          if storage.is_file(path) if remote else _reads(flag, given, place):
            what = f'{output.shown} {path} is read too, by {flag.shown} {given}'
            raise InputError(f'{what}; name another file')


def _paths(flag: Flag, values: dict[str, Any]) -> list[str]:
  """The paths of a flag; [] where it is not given."""
  value = values[flag.name] or []
  if isinstance(value, str):
    value = value.split(',') if flag.value_name.endswith(',...') else [value]
  return list(value)


def _names(flag: Flag, given: str, name: str) -> bool:
  """Whether a path, folder or pattern covers the name of an object."""
  inside = flag.name == 'input' and name.startswith(f'{given.rstrip("/")}/')
  return inside or name == given or fnmatch.fnmatchcase(name, given)


def _reads(flag: Flag, given: str, file: str) -> bool:
  """Whether a file is among those that a path, folder or pattern names."""
  if flag.name == 'input' and os.path.isdir(given):
    inside = os.path.join(os.path.realpath(given), '')
    return os.path.realpath(file).startswith(inside)
  found = ['/dev/fd/0'] if given == '-' else [given, *glob.iglob(given)]
  return any(os.path.exists(p) and os.path.samefile(p, file) for p in found)


def help_of(command: Command) -> str:
  """The text of `biobert-jax COMMAND --help`."""
  called = f'{PROGRAM} {command.name}'
  needed = ''.join(
    f' {_called(flag)}'
    for flag in command.flags
    if flag.required or flag.positional
  )
  rows = [('-h, --help', 'show this help'), *map(_row, command.flags)]
  width = max(len(usage) for usage, _ in rows)
  lines = [
    f'usage: {called}{needed} [flags]',
    f'\n{(command.text or "").rstrip()}',
    *([_ABOUT_CONFIG] if command.has_config else []),
    '\nflags:',
    *(f'  {usage:{width}}  {text}' for usage, text in rows),
    '\nexamples:',
    *(f'  {called} {example}' for example in command.examples),
    f'\noutput files: {command.writes}',
    '\nexit codes:',
    *(f'  {code:>3}  {EXIT_CODES[code]}' for code in command.exits),
  ]
  return '\n'.join(lines) + '\n'


def _called(flag: Flag) -> str:
  """How the usage line shows a flag."""
  if not flag.positional:
    return f'{flag.shown}={flag.value_name}'
  return flag.shown if flag.required else f'[{flag.shown}]'


def _row(flag: Flag) -> tuple[str, str]:
  """How the help shows a flag and what it says of it."""
  names = ', '.join(f'--{name}' for name in (flag.name, *flag.aliases))
  usage = flag.shown if flag.positional else f'{names} {flag.value_name}'
  default = flag.unset
  if flag.many and flag.default not in (None, (), ...):
    default = ' '.join(flag.default)
  elif flag.default not in (None, '', ()):
    default = str(flag.default)
  default = default.lower() if flag.type is bool else default
  note = 'required' if flag.required else f'default: {default or "none"}'
  return usage, f'{flag.help} ({note})'


class _Line:
  """A command line, read from left to right.

  Attributes:
    values: of the flags that are given, by name.
    overrides: of the config, in order.
    passed_on: flags that are not known here, with their values.
    wants_help: whether -h or --help is among the arguments.
  """

  def __init__(self, command: Command, arguments: Iterable[str]):
    self.values: dict[str, Any] = {}
    self.overrides: Overrides = []
    self.passed_on: list[str] = []
    self.wants_help = False
    self._command = command
    self._positional = [f for f in command.flags if f.positional]
    self._named = {
      name: flag
      for flag in command.flags
      for name in (flag.name, *flag.aliases)
      if not flag.positional
    }
    self._known = [*self._named, *(['config'] * command.has_config)]
    self._spelled: dict[str, str] = {}
    self._rest = [given for given in arguments if given != '--']
    while self._rest and not self.wants_help:
      self._take(self._rest.pop(0))

  def _take(self, given: str) -> None:
    written, equals, text = given.removeprefix('--').partition('=')
    value = text if equals else None
    name = written.replace('-', '_')
    if self._command.has_config:
      name = _IN_CONFIG.get(name, name)
    positive = name.removeprefix('no_')
    negated = self._named.get(positive)
    if given in ('-h', '--help'):
      self.wants_help = True
    elif not _is_flag(given):
      self._take_positional(given)
    elif self._command.has_config and positive.startswith(_CONFIG):
      if value is None:
        # A key alone is true, as `--config.data.strict`.
        value = 'false' if positive != name else self._next('--')
      text = 'true' if value is None else value
      self.overrides.append((positive.removeprefix(_CONFIG), text))
    elif given.startswith('--') and name in self._named:
      self._take_flag(self._named[name], name, given, value)
    elif positive != name and negated and negated.type is bool:
      self.values[negated.name] = False
    elif self._command.passes_on:
      self.passed_on.append(given)
      while (follows := self._next('-')) is not None:
        self.passed_on.append(follows)
    else:
      written = given.partition('=')[0]
      hint = did_you_mean(name, [*self._known, 'help'], '--')
      hint = (
        hint or f'; `{PROGRAM} {self._command.name} --help` lists its flags'
      )
      raise InputError(f'{self._command.name} has no flag {written}{hint}')

  def _take_positional(self, given: str) -> None:
    if self._positional:
      flag = self._positional.pop(0)
      self.values[flag.name] = _value(flag, given)
      return
    name = given.partition('=')[0].replace('-', '_')
    hint = did_you_mean(name, self._known, '--')
    if name in self._known or name.startswith(_CONFIG):
      hint = f'; did you mean --{given}?'
    hint = hint or f'; the flags of {self._command.name} begin with --'
    raise InputError(f'unexpected argument {given!r}{hint}')

  def _take_flag(
    self, flag: Flag, name: str, given: str, value: str | None
  ) -> None:
    if self._spelled.setdefault(flag.name, name) != name:
      what = f'--{name} is another name of --{self._spelled[flag.name]}'
      raise InputError(f'{what}; give only one of them')
    if flag.many:
      texts = [value] if value is not None else []
      while value is None and self._rest and not _is_flag(self._rest[0]):
        texts.append(self._rest.pop(0))
      if not texts:
        raise InputError(f'{given}: expected at least one argument')
      values = [_value(flag, text) for text in texts]
      self.values[flag.name] = self.values.get(flag.name, []) + values
      return
    if value is None and flag.type is bool and not flag.required:
      follows = self._rest and self._rest[0].lower() in BOOLEANS
      value = self._rest.pop(0) if follows else 'true'
    value = self._next('--') if value is None else value
    if value is None:
      raise InputError(f'{given} needs a value, as in {given}=...')
    self.values[flag.name] = _value(flag, value)

  def _next(self, mark: str) -> str | None:
    """Takes the next argument, unless it begins with a mark."""
    if not self._rest or self._rest[0].startswith(mark):
      return None
    return self._rest.pop(0)


def _is_flag(given: str) -> bool:
  """Whether an argument is a flag: `-` is a stream, and -1 is a number."""
  return given.startswith('-') and given != '-' and not given[1].isdigit()


def _value(flag: Flag, text: str) -> Any:
  """The value that the text of a flag stands for."""
  said = f'{flag.shown} is {text!r}'
  if not text:
    what = f'{flag.shown} is empty (an unset variable of the shell?)'
    raise InputError(f'{what}; give a value or leave the flag out')
  if flag.choices and text not in flag.choices:
    raise InputError(
      f'{said}; choose from {", ".join(flag.choices)}'
      f'{did_you_mean(text, flag.choices)}'
    )
  if text == '-' and flag.path in ('input', 'output'):
    what = f'{flag.shown} is -, but only files are possible here; give a path'
    raise InputError(what)
  if flag.path and text != '-':
    paths = text.split(',') if flag.value_name.endswith(',...') else [text]
    text = ','.join(_path(flag, path) for path in paths)
  value = typed(said, text, flag.type)
  if flag.range:
    errors.check_ranges({flag.shown: value}, {flag.shown: flag.range})
  return value


def _path(flag: Flag, text: str) -> str:
  """A path of a flag, with `~` expanded; that of a bucket is checked."""
  path = os.path.expanduser(text)
  if flag.urls and '://' in path:
    return path
  storage.path(path)
  close = nearest_path(path) if flag.path in ('input', 'stdin') else ''
  if close:
    what = f'{flag.shown} {path}: no such file or folder'
    raise InputError(f'{what}; did you mean {close}?')
  return path

"""A command line in the one spelling that is left to argparse.

`--max-seq-length 64` and `--max_seq_length=64` are the same, and so are
`--overwrite`, `--overwrite=true` and `--overwrite true`; `--no-overwrite` is
the opposite. A flag that does not exist is refused here, with the nearest one.
"""

from collections.abc import Iterable

from biobert_jax.commands.command import PROGRAM, Command, Flag
from biobert_jax.commands.nearest import did_you_mean
from biobert_jax.errors import InputError

_CONFIG = 'config.'


class Respelled:
  """The arguments of a command, sorted.

  Attributes:
    arguments: `--name=value` with the flag's own name; `--name` and the values
      that follow for a flag that takes many; positional arguments.
    overrides: (config key, text) of `--config.KEY=TEXT`, in order.
    passed_on: flags that are not known here, with their values.
    wants_help: whether -h or --help was among them.
  """

  def __init__(self, command: Command, arguments: Iterable[str]):
    """Reads the arguments.

    Args:
      command: the command they belong to.
      arguments: what follows the name of the command.

    Raises:
      InputError: a flag that does not exist or has no value.
    """
    self.arguments: list[str] = []
    self.overrides: list[tuple[str, str]] = []
    self.passed_on: list[str] = []
    self.wants_help = False
    self._command = command
    self._flags = {n: f for f in command.flags for n in (f.name, *f.aliases)}
    self._spelled: dict[str, str] = {}
    self._rest = list(arguments)
    while self._rest and not self.wants_help:
      self._take(self._rest.pop(0))

  def _take(self, given: str) -> None:
    written, equals, text = given.removeprefix('--').partition('=')
    value = text if equals else None
    name = written.replace('-', '_')
    # absl's spelling of a negation, `--noflag`, has no separator.
    positive = name.removeprefix('no_')
    if given in ('-h', '--help'):
      self.wants_help = True
    elif (
      given in ('-', '--') or not given.startswith('-') or given[1].isdigit()
    ):
      self.arguments.append(given)
    elif self._command.has_config and positive.startswith(_CONFIG):
      self._override(given, positive, value, negated=positive != name)
    elif given.startswith('--') and name in self._flags:
      self._flag(given, self._flags[name], name, value)
    elif positive != name and self._is_boolean(positive):
      self.arguments.append(f'--{self._flags[positive].name}=false')
    elif self._command.passes_on:
      self.passed_on.append(given)
      while self._rest and not self._rest[0].startswith('-'):
        self.passed_on.append(self._rest.pop(0))
    else:
      known = [*self._flags, *(['config'] * self._command.has_config), 'help']
      raise InputError(
        f'{self._command.name} has no flag {given.partition("=")[0]}'
        f'{did_you_mean(name, known, "--")}{self._hint(name, known)}'
      )

  def _hint(self, name: str, known: list[str]) -> str:
    if did_you_mean(name, known):
      return ''
    return f'; `{PROGRAM} {self._command.name} --help` lists its flags'

  def _is_boolean(self, name: str) -> bool:
    return name in self._flags and self._flags[name].type is bool

  def _override(
    self, given: str, name: str, value: str | None, negated: bool
  ) -> None:
    if value is None:
      follows = self._rest and not self._rest[0].startswith('--')
      if negated:
        value = 'false'
      else:
        # A flag alone is true, as `--config.data.strict`.
        value = self._rest.pop(0) if follows else 'true'
    self.overrides.append((name.removeprefix(_CONFIG), value))

  def _flag(self, given: str, flag: Flag, name: str, value: str | None) -> None:
    if self._spelled.setdefault(flag.name, name) != name:
      raise InputError(
        f'--{name} is another name of --{self._spelled[flag.name]}; give only '
        'one of them'
      )
    if flag.type is bool and not flag.required:
      follows = self._rest and self._rest[0].lower() in ('true', 'false')
      if value is None:
        value = self._rest.pop(0) if follows else 'true'
    elif value is None and flag.many:
      self.arguments.append(f'--{flag.name}')
      return
    elif value is None:
      if not self._rest or self._rest[0].startswith('--'):
        raise InputError(f'{given} needs a value, as in {given}=...')
      value = self._rest.pop(0)
    self.arguments.append(f'--{flag.name}={value}')

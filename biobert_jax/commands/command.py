"""What a command declares: its flags, its help and its exit codes."""

import argparse
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from biobert_jax import errors

PROGRAM = 'biobert-jax'
# The one table of exit codes; the commands name those that they end with.
EXIT_CODES = {
  errors.EXIT_DONE: 'done',
  errors.EXIT_FAILED: 'failed: the machine or this program is at fault; the '
  'same command may succeed later',
  errors.EXIT_BAD_INPUT: 'wrong input, flag or value; the message names the '
  'remedy',
  errors.EXIT_DIVERGED: 'diverged: the loss is not finite',
  errors.EXIT_PREEMPTED: 'preempted (SIGTERM): the state is saved; run the '
  'same command again',
  errors.EXIT_INTERRUPTED: 'interrupted (Ctrl-C)',
}
USUAL_EXITS = (
  errors.EXIT_DONE,
  errors.EXIT_FAILED,
  errors.EXIT_BAD_INPUT,
  errors.EXIT_INTERRUPTED,
)
INPUT, OUTPUT = 'input', 'output'


@dataclasses.dataclass(frozen=True)
class Flag:
  """A flag of a command, or a positional argument.

  Attributes:
    name: with underscores, without the leading hyphens.
    help: one line.
    default: the value where the flag is not given.
    type: str, int, float or bool; that of the default, where it has one.
    required: whether the flag must be given.
    choices: the values that are allowed; () for any.
    many: whether it takes one or more values; the value is a list.
    positional: whether it is an argument without `--name`.
    path: INPUT or OUTPUT where values name files or folders; else ''.
    stream: whether the path may be `-`, standard input or output.
    metavar: what the help calls the value.
    aliases: other names of the same flag.
    unset: what the help shows as default in place of None.
  """

  name: str
  help: str
  default: Any = None
  type: type = str
  required: bool = False
  choices: tuple[str, ...] = ()
  many: bool = False
  positional: bool = False
  path: str = ''
  stream: bool = False
  metavar: str = ''
  aliases: tuple[str, ...] = ()
  unset: str = ''

  def __post_init__(self) -> None:
    """Takes the type from the default."""
    if isinstance(self.default, int | float):
      object.__setattr__(self, 'type', type(self.default))

  @property
  def shown(self) -> str:
    """The flag as messages and help spell it."""
    return self.metavar or self.name if self.positional else f'--{self.name}'

  @property
  def value_name(self) -> str:
    """What the help calls the value."""
    names = {int: 'N', float: 'X', bool: '[true|false]'}
    return self.metavar or names.get(self.type, self.name.upper())


# Of the commands that run a model; `main` acts on it.
COMPILE_CACHE = Flag(
  'compile_cache',
  'keep compiled programs in ~/.cache; else --no-compile-cache',
  True,
)


OUTPUT_FOLDER = Flag(
  'output', 'folder to write', required=True, path=OUTPUT, metavar='DIR'
)


@dataclasses.dataclass(frozen=True)
class Command:
  """A command: what it is called with, what it says of itself, what it runs.

  Attributes:
    name: one word, or two as in `score ner`.
    summary: one line.
    flags: in the order of the help.
    run: gets the values of the flags; returns the object that is printed as
      the last line, or None where there is none.
    examples: two command lines, without the program's name.
    writes: what files or folders come out.
    about: more paragraphs for the help.
    exits: keys of `EXIT_CODES`.
    has_config: whether there are --config and --config.KEY overrides.
    passes_on: whether flags that are not known here are collected in
      `flags.passed_on` instead of being refused.
  """

  name: str
  summary: str
  flags: tuple[Flag, ...]
  run: Callable[[argparse.Namespace], Mapping[str, Any] | None]
  examples: tuple[str, str]
  writes: str
  about: str = ''
  exits: tuple[int, ...] = USUAL_EXITS
  has_config: bool = False
  passes_on: bool = False

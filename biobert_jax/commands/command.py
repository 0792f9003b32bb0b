"""The declaration of a command: its flags, its help and its exit codes."""

import dataclasses
import types
from collections.abc import Callable, Mapping
from typing import Any, Literal

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
TRAINING_EXITS = tuple(EXIT_CODES)
USUAL_EXITS = tuple(
  code
  for code in EXIT_CODES
  if code not in (errors.EXIT_DIVERGED, errors.EXIT_PREEMPTED)
)

Flags = types.SimpleNamespace  # The values of a command's flags, by name.
Summary = Mapping[str, Any]  # What a command prints as its last line.

# What a path is for; of two kinds it may also be `-`.
Path = Literal['', 'input', 'stdin', 'output', 'stdout']


@dataclasses.dataclass(frozen=True)
class Flag:
  """A flag of a command, or a positional argument.

  Attributes:
    usage: as the help shows it: --NAME, --NAME=VALUE or --NAME=A|B, with
      underscores; NAME, in capitals, of a positional argument; ` ...` at the
      end of what takes one or more values, as a list.
    help: one line.
    default: the value where the flag is not given; `...` where it must be.
    path: what for, where values name files or folders.
    type: str, int, float or bool; that of the default, where it has one.
    range: of a number; None for any.
    unset: what the help shows as default in place of None.
    aliases: other names of the same flag.
    urls: whether URLs of any kind are handed on, not gs:// alone.
  """

  usage: str
  help: str
  default: Any = None
  path: Path = ''
  type: type = str
  range: errors.Range | None = None
  unset: str = ''
  aliases: tuple[str, ...] = ()
  urls: bool = False

  def __post_init__(self) -> None:
    """Takes the type from the default."""
    if isinstance(self.default, int | float):
      object.__setattr__(self, 'type', type(self.default))

  @property
  def positional(self) -> bool:
    """Whether it is an argument without `--NAME`."""
    return not self.usage.startswith('--')

  @property
  def shown(self) -> str:
    """The flag as messages spell it."""
    return self.usage.partition('=')[0].removesuffix(' ...')

  @property
  def name(self) -> str:
    """Of the value that the command gets."""
    return self.shown.removeprefix('--').lower()

  @property
  def value_name(self) -> str:
    """The name of the value in the help."""
    names = {int: 'N', float: 'X', bool: '[true|false]'}
    metavar = self.usage.partition('=')[2]
    return metavar or names.get(self.type, self.name.upper())

  @property
  def choices(self) -> tuple[str, ...]:
    """The values that are allowed; () for any."""
    words = self.value_name.removesuffix(' ...').split('|')
    return tuple(words) if self.type is str and len(words) > 1 else ()

  @property
  def many(self) -> bool:
    """Whether it takes one or more values."""
    return self.usage.endswith(' ...')

  @property
  def required(self) -> bool:
    """Whether it must be given."""
    return self.default is ...


@dataclasses.dataclass(frozen=True)
class Command:
  """A command: what it is called with, what it says of itself, what it runs.

  Attributes:
    name: one word, or two as in `score ner`.
    text: of the help; the first line is its summary.
    flags: in the order of the help.
    run: gets the values of the flags; the summary that it returns is printed
      as the last line.
    examples: two command lines, without the command's name.
    writes: what files or folders come out.
    exits: keys of `EXIT_CODES`.
    has_config: whether there are --config and --config.KEY overrides.
    passes_on: whether flags that are not known here are collected in
      `flags.passed_on` instead of being refused.
  """

  name: str
  text: str | None
  flags: tuple[Flag, ...]
  run: Callable[[Flags], Summary]
  examples: tuple[str, str]
  writes: str
  exits: tuple[int, ...] = USUAL_EXITS
  has_config: bool = False
  passes_on: bool = False

  @property
  def summary(self) -> str:
    """The first line of its text."""
    return (self.text or '').partition('\n')[0].removesuffix('.')


# Flags of several commands.
CONFIG = Flag(
  '--config=NAME:SIZE',
  'experiment as ner_ncbi_disease:base, or FILE.py:SIZE',
  ...,
)
OUTPUT_FOLDER = Flag('--output=DIR', 'folder to write', ..., 'output')
DO_LOWER_CASE = Flag(
  '--do_lower_case',
  'true: uncased, false: cased; overrides the model',
  type=bool,
)
LABELS = Flag('--labels=A,B,C', 'classes by id; overrides the model', '')
# What some checkpoints state wrongly or not at all.
OVERRIDES = (
  DO_LOWER_CASE,
  Flag(
    '--head=token|sequence',
    'what is labelled; overrides the model',
    '',
  ),
  LABELS,
)
STEP = Flag(
  '--step=STEP',
  'of a work folder: best, latest or N',
  '',
  range=errors.STEP,
  unset='best, else latest',
)
# Of the commands that run a model; `main` acts on it.
COMPILE_CACHE = Flag(
  '--compile_cache', 'keep compiled programs; else --no-compile-cache', True
)


def labels_of(flags: Flags) -> tuple[str, ...]:
  """The names of the flag --labels."""
  return tuple(name.strip() for name in flags.labels.split(',') if name.strip())


def model(*aliases: str, default: Any = ...) -> Flag:
  """The flag --model, with other names."""
  text = 'work folder, export, import, or checkpoint of any form'
  return Flag('--model', text, default, 'input', aliases=aliases)

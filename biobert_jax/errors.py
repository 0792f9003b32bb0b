"""The errors a user can fix, their exit codes, and the ranges of config keys.

Every other exception is a fault of ours and keeps its traceback.
"""

import errno
import math
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple

EXIT_DONE = 0
EXIT_FAILED = 1  # The machine's fault, or ours: relaunch a few times.
EXIT_BAD_INPUT = 3  # Configuration or data: do not relaunch.
EXIT_DIVERGED = 4  # The loss is not finite: do not relaunch.
EXIT_PREEMPTED = 42  # State is saved: relaunch.
EXIT_INTERRUPTED = 130  # Ctrl-C: do not relaunch.


class UserError(Exception):
  """One line for the user instead of a traceback, and an exit code."""

  kind = 'error'
  exit_code = EXIT_BAD_INPUT


class InputError(UserError, ValueError):
  """A wrong file, option or value: what, where, and the remedy, in one line."""

  @classmethod
  def at(cls, path: object, line: int, what: str) -> 'InputError':
    """An error at a line of a file, written `path:line: what`."""
    return cls(f'{path}:{line}: {what}')


class DivergedError(UserError, RuntimeError):
  """The loss became non-finite; the last finite checkpoint stands."""

  kind = 'diverged'
  exit_code = EXIT_DIVERGED


class PreemptedError(UserError, RuntimeError):
  """SIGTERM arrived; the state was saved at the step that is named."""

  kind = 'preempted'
  exit_code = EXIT_PREEMPTED


class UserInterruptError(UserError, RuntimeError):
  """Ctrl-C; what there was to save is saved, as the message says."""

  kind = 'interrupted'
  exit_code = EXIT_INTERRUPTED


class StorageError(UserError, OSError):
  """The disk refused a checkpoint; those before it stand."""

  kind = 'not saved'
  exit_code = EXIT_FAILED


class BucketError(UserError, OSError):
  """A request to Cloud Storage failed; as an OSError, with its attributes.

  Attributes:
    filename: the gs:// name.
    strerror: why, and the remedy, in one line.
  """

  kind = 'failed'
  exit_code = EXIT_FAILED

  def __init__(self, code: int, strerror: str, filename: object):
    """Takes what an OSError takes."""
    super().__init__(code, strerror, str(filename))

  def __str__(self) -> str:
    return f'{self.filename}: {self.strerror}'


class BucketMissingError(BucketError, FileNotFoundError):
  """There is no such bucket, object or folder."""

  kind = 'error'
  exit_code = EXIT_BAD_INPUT


class BucketAccessError(BucketError, PermissionError):
  """The credentials are refused, or may not do this."""


class BucketChangedError(BucketError):
  """An object is not of the generation that was expected."""


class StartupError(UserError, RuntimeError):
  """Hosts of a job did not start in time."""

  kind = 'failed'
  exit_code = EXIT_FAILED


class RunsFailedError(UserError, RuntimeError):
  """Processes of a protocol's runs failed twice; the other runs are kept."""

  kind = 'failed'
  exit_code = EXIT_FAILED


class TakenOverError(UserError, RuntimeError):
  """Another run writes to the work folder now; do not relaunch this one."""

  kind = 'taken over'
  exit_code = EXIT_BAD_INPUT


class Range(NamedTuple):
  """The values that a config key or a flag may have."""

  contains: Callable[[Any], bool]
  remedy: str  # The end of the message "KEY is VALUE; …".


# None of them contains NaN.
POSITIVE = Range(lambda x: 0 < x < math.inf, 'it must be positive')
COUNT = Range(lambda x: x >= 1, 'it must be at least 1')
NOT_NEGATIVE = Range(lambda x: x >= 0, 'it must not be negative')
FRACTION = Range(lambda x: 0 <= x < 1, 'it must lie in [0, 1)')
# A step of a work folder; '' leaves it to the folder.
STEP = Range(
  lambda x: x in ('', 'best', 'latest') or (x.isascii() and x.isdecimal()),
  'give best, latest or the number of a step',
)


def one_of(choices: Collection[Any]) -> Range:
  """The range of a key with named choices."""
  names = ', '.join(map(str, choices))
  return Range(lambda x: x in choices, f'choose from {names}')


def or_unset(values: Range) -> Range:
  """The same range, with None for a key that may stay unset."""
  return Range(lambda x: x is None or values.contains(x), values.remedy)


def check_ranges(
  values: Mapping[str, Any], ranges: Mapping[str, Range]
) -> None:
  """Raises an InputError for the first value outside the range of its key."""
  for key, range_ in ranges.items():
    if not range_.contains(values[key]):
      raise InputError(f'{key} is {values[key]!r}; {range_.remedy}')


# As libraries and other processes say it, where no number is left.
_FULL = tuple(map(os.strerror, (errno.ENOSPC, errno.EDQUOT)))


def disk_full(error: BaseException | str | None) -> str:
  """The words of a full disk in an error, or in one that it came of; or ''."""
  chain = [error] if isinstance(error, str) else _chain(error)
  found = (said for below in chain for said in _FULL if said in str(below))
  return next(found, '')


def _chain(error: BaseException | None) -> Iterator[BaseException]:
  """An error, and those that it came of."""
  while error is not None:
    yield error
    error = error.__cause__ or error.__context__


def as_user_error(error: BaseException) -> UserError | None:
  """What the user is told of an error; None of a fault of ours.

  A full disk at any depth is a StorageError, whatever was made of it on the
  way, and a bucket that failed a BucketError: the command is right, and may run
  again.
  """
  if isinstance(error, KeyboardInterrupt):
    # In training, a second Ctrl-C: the first saves the state.
    return UserInterruptError('stopped by Ctrl-C')
  if isinstance(error, UserError) and not isinstance(error, InputError):
    return error
  name = None
  for below in _chain(error):
    if isinstance(below, BucketError) and below.exit_code == EXIT_FAILED:
      return below
    text, ours = str(below), isinstance(below, UserError)
    said = disk_full(text)
    if said or ours:
      name = name or getattr(below, 'filename', None)
    if said and ours:
      name = name or text.partition(said)[0].partition(': ')[0]
  if full := disk_full(error):
    remedy = 'free some space, then run the same command again'
    return StorageError(f'{name or "a file"}: {full}; {remedy}')
  return error if isinstance(error, InputError) else None


def exit_code_of(
  program: Callable[[], object], shown: Callable[[str], str] = str
) -> int:
  """Runs a program to its exit code; an error of the user's is one line.

  `shown` gives that line as the user knows its names.
  """
  try:
    program()
  except (Exception, KeyboardInterrupt) as error:
    told = as_user_error(error)
    if told is None:
      raise
    sys.stderr.write(shown(f'{told.kind}: {told}\n'))
    return told.exit_code
  return EXIT_DONE

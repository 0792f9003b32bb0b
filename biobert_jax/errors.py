"""The errors a user can fix, their exit codes, and the ranges of config keys.

Every other exception is a fault of ours and keeps its traceback.
"""

import errno
import math
import sys
from collections.abc import Callable, Collection, Mapping
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


def exit_code_of(program: Callable[[], object]) -> int:
  """Runs a program to its exit code; an error of the user's is one line."""
  try:
    program()
  except UserError as error:
    sys.stderr.write(f'{error.kind}: {error}\n')
    return error.exit_code
  except KeyboardInterrupt:
    # In training, a second Ctrl-C: the first saves the state.
    sys.stderr.write(f'{UserInterruptError.kind}: stopped by Ctrl-C\n')
    return EXIT_INTERRUPTED
  except OSError as error:
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
      raise
    sys.stderr.write(
      f'{StorageError.kind}: {error.filename or "a file"}: {error.strerror}; '
      'free some space, then run the same command again\n'
    )
    return EXIT_FAILED
  return EXIT_DONE

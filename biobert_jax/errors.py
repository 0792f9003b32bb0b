"""The errors a user can mend, and the exit codes that stand for them.

Every other exception is a fault of ours and keeps its traceback.
"""

EXIT_DONE = 0
EXIT_BAD_INPUT = 3  # Configuration or data: do not relaunch.
EXIT_DIVERGED = 4  # The loss is not finite: do not relaunch.
EXIT_PREEMPTED = 42  # State is saved: relaunch.


class InputError(ValueError):
  """A wrong file, option or value: what, where, and the remedy, in one line."""

  @classmethod
  def at(cls, path: object, line: int, what: str) -> 'InputError':
    """An error at a line of a file, written `path:line: what`."""
    return cls(f'{path}:{line}: {what}')


class DivergedError(RuntimeError):
  """The loss became non-finite; the last finite checkpoint stands."""


class PreemptedError(RuntimeError):
  """SIGTERM arrived; the state was saved at the step that is named."""

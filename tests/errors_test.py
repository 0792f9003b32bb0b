"""What a command's errors turn into: one line and an exit code."""

import errno

import pytest

from biobert_jax import errors


def fail(error):
  def program():
    raise error

  return program


@pytest.mark.parametrize(
  ('error', 'code', 'line'),
  [
    (errors.InputError('what'), 3, 'error: what\n'),
    (errors.TakenOverError('what'), 3, 'taken over: what\n'),
    (errors.StorageError('what'), 1, 'not saved: what\n'),
    (errors.DivergedError('what'), 4, 'diverged: what\n'),
    (errors.PreemptedError('what'), 42, 'preempted: what\n'),
    (errors.UserInterruptError('what'), 130, 'interrupted: what\n'),
    (KeyboardInterrupt(), 130, 'interrupted: stopped by Ctrl-C\n'),
    (
      OSError(errno.ENOSPC, 'No space left on device', 'results.json'),
      1,
      'not saved: results.json: No space left on device; free some space, '
      'then run the same command again\n',
    ),
  ],
)
def test_one_line_and_a_code(capsys, error, code, line):
  assert errors.exit_code_of(fail(error)) == code
  assert capsys.readouterr().err == line


@pytest.mark.parametrize('error', [OSError(errno.EIO, 'bad'), KeyError('x')])
def test_all_else_keeps_its_traceback(error):
  with pytest.raises(type(error)):
    errors.exit_code_of(fail(error))


def test_a_program_that_ends_well(capsys):
  assert errors.exit_code_of(lambda: None) == 0
  assert capsys.readouterr().err == ''

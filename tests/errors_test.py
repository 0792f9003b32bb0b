"""What a command's errors turn into: one line and an exit code."""

import errno
import math

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
    (
      ValueError('x: RESOURCE_EXHAUSTED: No space left on device [write]'),
      1,
      'not saved: a file: No space left on device; free some space, then run '
      'the same command again\n',
    ),
    (
      errors.InputError('--output OUT: No space left on device; nothing left'),
      1,
      'not saved: --output OUT: No space left on device; free some space, then '
      'run the same command again\n',
    ),
  ],
)
def test_one_line_and_a_code(capsys, error, code, line):
  assert errors.exit_code_of(fail(error)) == code
  assert capsys.readouterr().err == line


def test_a_full_disk_is_found_below_what_was_made_of_it(capsys):
  def program():
    try:
      raise OSError(errno.EDQUOT, 'Disk quota exceeded', 'shard-1')
    except OSError:
      raise errors.InputError('cannot write the corpus') from None

  assert errors.exit_code_of(program) == 1
  said = capsys.readouterr().err
  assert said.startswith('not saved: shard-1: Disk quota exceeded; free some')


@pytest.mark.parametrize('error', [OSError(errno.EIO, 'bad'), KeyError('x')])
def test_all_else_keeps_its_traceback(error):
  with pytest.raises(type(error)):
    errors.exit_code_of(fail(error))


def test_a_program_that_ends_well(capsys):
  assert errors.exit_code_of(lambda: None) == 0
  assert capsys.readouterr().err == ''


# Ranges of config keys.

NAN = float('nan')


@pytest.mark.parametrize(
  ('range_', 'inside', 'outside'),
  [
    (errors.POSITIVE, (1e-9, 5), (0, -1, math.inf, NAN)),
    (errors.COUNT, (1, 7), (0, -1, NAN)),
    (errors.FRACTION, (0, 0.99), (1.0, -0.1, NAN)),
    (errors.one_of(('a', 'b')), ('a', 'b'), ('c', None)),
    (errors.or_unset(errors.COUNT), (None, 1), (0,)),
  ],
)
def test_what_a_range_contains(range_, inside, outside):
  assert all(map(range_.contains, inside))
  assert not any(map(range_.contains, outside))


def test_the_first_key_outside_its_range_is_named():
  table = {'a': errors.POSITIVE, 'b': errors.one_of(('x', 'y'))}
  errors.check_ranges({'a': 1, 'b': 'x', 'other': None}, table)
  with pytest.raises(errors.InputError, match="^b is 'z'; choose from x, y$"):
    errors.check_ranges({'a': 1, 'b': 'z'}, table)

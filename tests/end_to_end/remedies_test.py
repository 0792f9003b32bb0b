"""Every message that names an option is carried out: the remedy works.

`fixtures/message_literals.py` reads the messages from the source; each needs a
case in `fixtures/remedy_cases.py`. A case provokes the message, changes its
command line as the message says, and runs it again: the message is gone.
Programs go as far as the first compilation, which needs no remedy.
"""

import contextlib
import io
import logging
import pathlib
import re
import shlex
from collections.abc import Iterator
from typing import Any
from unittest import mock

import jax
import pytest
from etils import epath

from biobert_jax.commands import main
from biobert_jax.errors import UserError
from biobert_jax.inference import embed, model_runner
from biobert_jax.preflight import preflight
from biobert_jax.preprocessing.report import report
from biobert_jax.preprocessing.token_shards import prepare
from biobert_jax.protocol import protocol
from biobert_jax.training import train
from biobert_jax.training.checkpointing.manager import Checkpoints
from tests.fixtures import (
  message_literals,
  remedy_cases,
  remedy_lines,
  remedy_options,
  remedy_runs,
  small_states,
)
from tests.fixtures.message_literals import Literal
from tests.fixtures.remedy_lines import Case
from tests.fixtures.remedy_places import Places

CASES = (
  *remedy_cases.OPTIONS,
  *remedy_cases.CONFIGS,
  *remedy_cases.PREPARING,
  *remedy_runs.RUNNING,
  *remedy_options.ANY_OPTION,
)
_PLACEHOLDER = re.compile(r'[A-Z,]*')


class Reached(Exception):  # noqa: N818
  """The program was about to compile."""


@contextlib.contextmanager
def _stopping(whole: bool) -> Iterator[None]:
  """Programs end where they would compile, or write for hours."""
  stop = mock.Mock(side_effect=Reached)
  with contextlib.ExitStack() as stack:
    for module, name in (
      (train, 'guarded_run'),
      (protocol.Executor, 'make'),
      (preflight._Preflight, 'compile'),
      (jax.distributed, 'initialize'),
    ):
      stack.enter_context(mock.patch.object(module, name, stop))
    # libtpu is not everywhere.
    stack.enter_context(mock.patch.object(preflight.compiler, 'check_compiler'))
    if not whole:
      for module, name in (
        (prepare, 'Workers'),
        (report, 'draw_lengths'),
        (train.train_step, 'step_of'),
        (embed, 'PooledEncoder'),
        (model_runner.ModelRunner, '_native'),
      ):
        stack.enter_context(mock.patch.object(module, name, stop))
    yield


class _Run:
  """What a program said, and whether it came to its end, or to Reached."""

  def __init__(self, call: Any, whole: bool):
    out, logged = io.StringIO(), logging.StreamHandler(said := io.StringIO())
    logger, level = logging.getLogger('biobert_jax'), logging.INFO
    logger.addHandler(logged)
    logger.setLevel(level)
    self.error = ''
    try:
      with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(out),
        _stopping(whole),
      ):
        code = call()
      if isinstance(code, int) and code:
        last = out.getvalue().strip().splitlines()[-1]
        self.error = last.partition(': ')[2]
      elif isinstance(code, str):
        out.write(code)
    except Reached:
      pass
    except UserError as error:
      self.error = str(error)
    finally:
      logger.removeHandler(logged)
      jax.config.update('jax_enable_compilation_cache', True)
    self.text = f'{out.getvalue()}\n{said.getvalue()}\n{self.error}'


def _changed(line: str, remedy: str) -> str:
  """A command line with the options of a remedy set, or left out."""
  if remedy.startswith('@'):
    old, _, new = remedy[1:].partition('=')
    return line.replace('{' + old + '}', new)
  words = line.split()
  for group in re.findall(r'-\S+(?: [^-\s]\S*)*', remedy):
    name = _name(group)
    at = 0
    while at < len(words):
      if words[at].startswith('--') and _name(words[at]) == name:
        words.pop(at)
        while at < len(words) and not words[at].startswith('-'):
          words.pop(at)
      else:
        at += 1
    if group.startswith('--'):
      several = ' ' in group  # As `--types CHEMICAL GENE`.
      words += (group.replace('=', ' ', 1) if several else group).split()
  return ' '.join(words)


def _name(word: str) -> str:
  """`config.seed` of `--config.seed=3`; of `-seed` the word itself."""
  return word.split()[0].partition('=')[0].lstrip('-')


def _check_named(case: Case, line: str, message: str, places: Places) -> None:
  """The options of the remedy stand in the message, with their values."""
  for group in re.findall(r'-\S+(?: [^-\s]\S*)*', case.remedy):
    name = _name(group)
    key = name.removeprefix('config.')
    hyphens = f'--{name.replace("_", "-")}' in message
    named = f'--{name}' in message or hyphens
    assert named or (key != name and key in message), (
      f'{message!r} does not name --{name}'
    )
    stated = re.findall(rf'--{re.escape(name)}=([^\s`)]*)', message)
    stated = [value.rstrip(',;.:') for value in stated]
    given = {v for v in stated if f'--{name}={v}' in line}
    exact = [v for v in stated if not _PLACEHOLDER.fullmatch(v)]
    exact = [value for value in exact if value not in given]
    if group.startswith('--') and exact:
      value = places.fill(group.partition('=')[2])
      assert value in exact, f'{message!r} says {exact}, not {value}'


@pytest.fixture(scope='module')
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
  """The files of all cases, and two folders that runs began in."""
  found = Places(tmp_path_factory.mktemp('remedies'))
  for name, line in (
    *((name, remedy_lines.NER) for name in ('saved', 'trained', 'finished')),
    ('begun', remedy_lines.PROTOCOL),
  ):
    found[name] = found['new']
    given = found.fill(line.replace('{new}', '{' + name + '}')).split()
    _Run(lambda given=given: main.main(given), True)
  (pathlib.Path(found['finished']) / 'results.json').write_text('{}')
  folder, layout = epath.Path(found['trained']), small_states.layout('dp')
  with contextlib.closing(Checkpoints(folder, 1)) as checkpoints:
    checkpoints.save(small_states.drawn(1, 1000, layout))
  return found


@pytest.fixture(scope='module')
def messages() -> list[Literal]:
  """All messages of the program that name an option."""
  return message_literals.literals()


@pytest.fixture(scope='module')
def carried_out() -> dict[int, set[Literal]]:
  """The messages that each case was shown to remedy, by its `id`."""
  return {}


@pytest.mark.parametrize('case', CASES, ids=lambda case: case.line[:60])
def test_a_remedy_works(case, places, messages, carried_out):
  line = places.fill(case.line)
  provoke = case.provoke
  before = _Run(
    lambda: provoke(places) if provoke else main.main(line.split()), case.whole
  )
  found = {m for m in messages if m.pattern.search(before.text)}
  if case.then.startswith('@'):
    told = before.text.partition(case.then[1:])[2].partition('\n')[0]
    told = told.replace('=DIR', '={new}')
    mended = places.fill(f'{told} {case.remedy}')
  elif case.then:
    mended = places.fill(case.then)
  else:
    if not case.remedy.startswith('@'):
      _check_named(case, line, before.text, places)
    mended = places.fill(_changed(case.line, case.remedy))
  after = _Run(lambda: main.main(shlex.split(mended)), case.whole)
  if case.later:
    assert re.search(case.later, after.error), (before.error, after.error)
  else:
    assert not after.error, f'{before.text}\n{mended}\n{after.error}'
  if not case.then:
    found -= {m for m in found if m.pattern.search(after.text)}
  assert found, before.text
  carried_out[id(case)] = found


def test_every_message_has_a_remedy_that_was_carried_out(messages, carried_out):
  """As many remedies carried out as there are messages that name an option."""
  if len(carried_out) < len(CASES):
    pytest.skip('not all cases ran, or some failed')
  shown = set().union(*carried_out.values())
  without = [str(message) for message in messages if message not in shown]
  assert not without, (
    f'{len(without)} of {len(messages)} messages name an option and have no '
    'case: add to tests/fixtures/remedy_cases.py a command line that provokes '
    'each, and the change that its text tells:\n' + '\n'.join(without)
  )

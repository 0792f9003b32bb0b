"""Flags of commands that read a checkpoint and write a folder."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

from biobert_jax.commands.command import OUTPUT_FOLDER, Flag
from biobert_jax.commands.predict import DO_LOWER_CASE

if TYPE_CHECKING:
  from biobert_jax.checkpoints.pretrained import Pretrained

OUTPUT_FLAGS = (
  OUTPUT_FOLDER,
  Flag('overwrite', 'replace the folder', False),
)
# What some checkpoints do not state.
READING_FLAGS = (
  DO_LOWER_CASE,
  Flag(
    'head',
    'what a classifier labels, where no file states it',
    '',
    choices=('token', 'sequence'),
  ),
  Flag(
    'labels', 'classes by id, where no file states them', '', metavar='A,B,C'
  ),
  Flag(
    'skip', 'regular expression of tensors to leave out', '', metavar='REGEX'
  ),
)


def read(model: str, flags: argparse.Namespace) -> 'Pretrained':
  """Reads a model of any form, and says on standard error what it is.

  Args:
    model: the path.
    flags: with the values of `READING_FLAGS`.

  Raises:
    InputError: no model there, or one that does not state what the flags say.
  """
  from biobert_jax.checkpoints import pretrained

  options: dict[str, Any] = {
    'do_lower_case': flags.do_lower_case,
    'head': flags.head,
    'labels': tuple(filter(None, flags.labels.split(','))),
    'skip': flags.skip,
  }
  found = pretrained.load_pretrained(model, **options)
  print(f'{model}: {found.source.form}, {found.contents}', file=sys.stderr)
  return found

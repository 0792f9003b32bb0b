"""Flags of commands that read a checkpoint and write a folder."""

import sys
from typing import TYPE_CHECKING

from biobert_jax.commands import command
from biobert_jax.commands.command import Flag, Flags

if TYPE_CHECKING:
  from biobert_jax.checkpoints.pretrained import Pretrained

OUTPUT = (
  command.OUTPUT_FOLDER,
  Flag('--overwrite', 'replace the folder', False),
)
# What some checkpoints do not state.
READING = (
  command.DO_LOWER_CASE,
  Flag(
    '--head=token|sequence', 'what is labelled, where no file states it', ''
  ),
  Flag('--labels=A,B,C', 'classes by id, where no file states them', ''),
  command.STEP,
  Flag('--skip=REGEX', 'regular expression of tensors to leave out', ''),
)


def read(flags: Flags) -> 'Pretrained':
  """Reads the model of --model, if its files are as the flags say; logs it."""
  from biobert_jax.checkpoints import pretrained

  labels = tuple(filter(None, flags.labels.split(',')))
  found = pretrained.load_pretrained(
    *(flags.model, flags.do_lower_case, flags.head, labels, flags.skip),
    step=flags.step,
  )
  print(
    f'{flags.model}: {found.source.form}, {found.contents}', file=sys.stderr
  )
  return found

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
READING = (
  *command.OVERRIDES,
  command.STEP,
  Flag('--skip=REGEX', 'regular expression of tensors to leave out', ''),
)


def read(flags: Flags) -> 'Pretrained':
  """Reads the model of --model, if its files are as the flags say; logs it."""
  from biobert_jax.checkpoints import pretrained

  labels = command.labels_of(flags)
  found = pretrained.load_pretrained(
    *(flags.model, flags.do_lower_case, flags.head, labels, flags.skip),
    step=flags.step,
  )
  print(
    f'{flags.model}: {found.source.form}, {found.contents}', file=sys.stderr
  )
  return found

"""`import`: a checkpoint of any form -> a checked folder of ours."""

import argparse
import dataclasses
from typing import Any

from biobert_jax.commands.checkpoint_flags import (
  OUTPUT_FLAGS,
  READING_FLAGS,
  read,
)
from biobert_jax.commands.command import Command, Flag
from biobert_jax.commands.predict import MODEL


def run(flags: argparse.Namespace) -> dict[str, Any]:
  """Reads a model and writes it in our form."""
  from biobert_jax.checkpoints import import_weights, model_folder

  model_folder.check_output(flags.output, flags.overwrite)
  return import_weights.import_weights(
    read(flags.model, flags),
    flags.output,
    overwrite=flags.overwrite,
    slots=flags.keep_slots,
  )


COMMAND = Command(
  name='import',
  summary='read a checkpoint of any form and keep it in ours, checked',
  about="""\
MODEL is a TF1 checkpoint (its prefix, its folder, or a .tar.gz of it), a
Hugging Face folder (model.safetensors, sharded or not, or pytorch_model.bin),
a work folder, an import or an export; the form is detected. Every tensor is
mapped or reported.""",
  flags=(
    dataclasses.replace(MODEL, required=True, aliases=('input',)),
    *OUTPUT_FLAGS,
    Flag('keep_slots', "keep the optimizer's moments and counters too", False),
    *READING_FLAGS,
  ),
  examples=(
    'import --model=biobert_v1.1_pubmed.tar.gz --output=runs/biobert',
    'import --model=tagger --output=runs/tagger --head=token --labels=O,B,I',
  ),
  writes='DIR, to train from (--config.init_from=DIR), predict with or export',
  run=run,
)

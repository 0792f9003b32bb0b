"""`embed`: texts -> vectors of texts, tokens or entities."""

import argparse
import dataclasses
from typing import Any

from biobert_jax.commands.command import (
  COMPILE_CACHE,
  INPUT,
  OUTPUT,
  Command,
  Flag,
)
from biobert_jax.commands.predict import DO_LOWER_CASE, MODEL, true_or_false


def run(flags: argparse.Namespace) -> dict[str, Any]:
  """Writes the vectors of a file of texts."""
  from biobert_jax.inference import embed

  return embed.embed(
    flags.model,
    flags.input,
    flags.output,
    flags.layers,
    flags.pooling,
    flags.max_seq_length,
    true_or_false(flags.do_lower_case),
  )


COMMAND = Command(
  name='embed',
  summary='turn texts into vectors',
  flags=(
    dataclasses.replace(MODEL, required=True),
    Flag(
      'input',
      'text, one per line; PubTator; JSONL of predict; - is stdin',
      required=True,
      path=INPUT,
      stream=True,
      metavar='FILE',
    ),
    Flag(
      'output',
      'OUT.parquet, OUT.npz or OUT.jsonl',
      required=True,
      path=OUTPUT,
      stream=True,
      metavar='FILE',
    ),
    Flag(
      'layers',
      'layers to write: -1 is the last, -2 the one before it',
      '-1',
      metavar='-N,-N,...',
    ),
    Flag(
      'pooling',
      'one vector per text (mean, cls), per token, or per entity',
      'mean',
      choices=('mean', 'cls', 'tokens', 'entity'),
    ),
    Flag(
      'max_seq_length',
      'tokens of a window; longer texts have several, which overlap',
      '',
      metavar='N',
      unset="512, or the model's positions where they are fewer",
    ),
    DO_LOWER_CASE,
    COMPILE_CACHE,
  ),
  examples=(
    'embed --model=MODEL --input=texts.txt --output=vectors.npz',
    'embed --model=MODEL --input=texts.txt --output=cls.jsonl --pooling=cls '
    '--layers=-1,-2',
  ),
  writes='FILE',
  run=run,
)

"""`preflight`: memory, time and cost of a step on a TPU slice."""

import argparse
from typing import Any

from biobert_jax.commands.command import OUTPUT, Command, Flag
from biobert_jax.commands.train import ABOUT_CONFIG, CONFIG


def run(flags: argparse.Namespace) -> dict[str, Any]:
  """Compiles the steps of a config for slices."""
  from biobert_jax.preflight import preflight

  return preflight.preflight(
    flags.config,
    flags.topology,
    flags.vocab_size,
    flags.price,
    flags.full,
    flags.search,
    flags.hlo,
  )


COMMAND = Command(
  name='preflight',
  summary='estimate memory, time and cost before renting a TPU slice',
  about=f"""\
Compiles training and evaluation by the TPU's own compiler; no TPU is needed.
{ABOUT_CONFIG}""",
  flags=(
    CONFIG,
    Flag(
      'topology',
      'slices, such as v5e-16',
      required=True,
      many=True,
      metavar='SLICE',
    ),
    Flag(
      'vocab_size',
      'size of the vocabulary, where the config names none',
      28_996,
    ),
    Flag('price', 'dollars per chip and hour', 0.0),
    Flag(
      'full',
      "compile completely, for the compiler's own estimate of time (minutes)",
      False,
    ),
    Flag('search', 'find the largest batch that fits', False),
    Flag(
      'hlo',
      "keep the compiler's output, in two folders per slice",
      '',
      path=OUTPUT,
      metavar='DIR',
    ),
  ),
  examples=(
    'preflight --config=pretrain_biobert_v1_1_pubmed:base --topology=v5e-16',
    'preflight --config=ner_ncbi_disease:base --topology v4-8 v5e-8 --search',
  ),
  writes='none, or DIR of --hlo; one JSON object per slice on standard output',
  has_config=True,
  run=run,
)

"""Estimate memory, time and cost before renting a TPU slice.

Compiles training and evaluation by the TPU's own compiler; no TPU is needed.
"""

from biobert_jax.commands import command
from biobert_jax.commands.command import Command, Flag, Flags, Summary


def _run(flags: Flags) -> Summary:
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


FLAGS = (
  command.CONFIG,
  Flag('--topology=SLICE ...', 'slices, such as v5e-16', ...),
  Flag('--vocab_size', 'tokens, where the config names no vocabulary', 28_996),
  Flag('--price', 'dollars per chip and hour', 0.0),
  Flag(
    '--full',
    "compile completely, for the compiler's own estimate of time",
    False,
  ),
  Flag('--search', 'find the largest batch that fits', False),
  Flag('--hlo=DIR', "the compiler's output, two folders a slice", '', 'output'),
)
EXAMPLES = (
  '--config=pretrain_biobert_v1_1_pubmed:base --topology=v5e-16',
  '--config=ner_ncbi_disease:base --topology v4-8 v5e-8 --search',
)
WRITES = 'none, or DIR of --hlo; one JSON object per slice on standard output'
COMMAND = Command(
  'preflight', __doc__, FLAGS, _run, EXAMPLES, WRITES, has_config=True
)

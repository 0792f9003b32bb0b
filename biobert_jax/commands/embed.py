"""Turn texts into vectors."""

from biobert_jax.commands import command
from biobert_jax.commands.command import Command, Flag, Flags, Summary


def _run(flags: Flags) -> Summary:
  from biobert_jax.inference import embed

  return embed.embed(
    flags.model,
    flags.input,
    flags.output,
    flags.layers,
    flags.pooling,
    flags.max_seq_length,
    flags.do_lower_case,
    flags.step,
    flags.head,
    command.labels_of(flags),
  )


FLAGS = (
  command.model(),
  Flag(
    '--input=FILE ...',
    'files, folders or patterns of texts of any form; - is stdin',
    ...,
    'stdin',
  ),
  Flag('--output=FILE', 'OUT.parquet, OUT.npz or OUT.jsonl', ..., 'stdout'),
  Flag('--layers=-N,-N,...', '-1 is the last, -2 the one before it', '-1'),
  Flag(
    '--pooling=mean|cls|tokens|entity',
    'of a text (mean, cls), each token or entity',
    'mean',
  ),
  Flag(
    '--max_seq_length=N',
    'tokens of a window; longer texts have several',
    type=int,
    unset="512, or the model's limit",
  ),
  command.STEP,
  *command.OVERRIDES,
  command.COMPILE_CACHE,
)
EXAMPLES = (
  '--model=MODEL --input=texts.txt --output=vectors.npz',
  '--model=MODEL --input=texts.txt --output=cls.jsonl --pooling=cls '
  '--layers=-1,-2',
)
COMMAND = Command('embed', __doc__, FLAGS, _run, EXAMPLES, writes='FILE')

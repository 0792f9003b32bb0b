"""Tag text, relate its entities, or answer questions.

What is found depends on the model: entities, relations between entities that
the input has, or answers. --pipeline applies several models one after another.

Texts are lines, PubTator, BioC, brat, JSON of documents, PubMed or JATS XML:
the content tells which. What no reader takes is refused by its name.

formats of entities: jsonl, brat, bioc, bioc-json, pubtator, conll, html; of
relations: jsonl, tsv, brat, bioc, bioc-json, pubtator, html; of answers: jsonl,
squad, nbest, html; of yes/no answers: jsonl, json, html
"""

from biobert_jax.commands import command
from biobert_jax.commands.command import Command, Flag, Flags, Summary
from biobert_jax.errors import InputError


def _run(flags: Flags) -> Summary:
  if (flags.output, flags.format) == ('-', 'brat'):
    raise InputError('--format=brat writes a folder; name it by --output')
  from biobert_jax.inference import predict

  return predict.predict(
    flags.model or '',
    flags.input,
    flags.output,
    flags.format,
    do_lower_case=flags.do_lower_case,
    keep_entities=flags.keep_entities,
    pipeline=flags.pipeline or '',
    step=flags.step,
    head=flags.head,
    labels=command.labels_of(flags),
    scores=flags.scores,
  )


FLAGS = (
  command.model('workdir', default=None),
  Flag(
    '--pipeline=MODEL,MODEL,...',
    'in place of --model: taggers and, last, a model of relations',
    path='input',
  ),
  Flag(
    '--input=FILE ...',
    'files, folders or patterns of texts or questions; - is stdin',
    ...,
    'stdin',
  ),
  Flag('--output=FILE', 'file; for brat a folder; - is stdout', ..., 'stdout'),
  Flag('--format', 'form of the output, as listed above', 'jsonl'),
  command.STEP,
  *command.OVERRIDES,
  Flag('--keep_entities', 'keep the entities that the input has', False),
  Flag('--scores=best|all', 'all: of every label of each word or pair', 'best'),
  command.COMPILE_CACHE,
)
EXAMPLES = (
  '--model=runs/ncbi --input=notes.txt --output=entities.jsonl',
  '--pipeline=runs/ncbi,runs/gad --input=- --output=-',
)
WRITES = (
  'FILE; with --format=brat a folder of .txt and .ann files; until it is '
  'complete, FILE.parts/ with what is done, where the same command goes on'
)
COMMAND = Command('predict', __doc__, FLAGS, _run, EXAMPLES, WRITES)

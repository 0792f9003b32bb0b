"""Make the file that BioASQ's server takes of predictions.

Predictions are nbest_predictions.json of factoid and list questions, ours or
those of BioBERT's code, and answers to yes/no questions; those of all types
make one file. Exact answers in RAW.json are not looked at; where it has them,
`score bioasq RAW.json SUBMISSION.json` scores the file.
"""

import sys
from collections import Counter

from biobert_jax import errors
from biobert_jax.commands.command import Command, Flag, Flags, Summary


def _run(flags: Flags) -> Summary:
  from biobert_jax.io.json_files import write_json
  from biobert_jax.preprocessing.bioasq import questions as bioasq_questions
  from biobert_jax.preprocessing.bioasq import submission

  read = bioasq_questions.read(flags.questions, Counter(), max_broken=None)
  questions = {question.id: question for question in read}
  found: Counter[str] = Counter()
  given = flags.predictions, questions, found
  predictions = submission.read_predictions(*given)
  content = submission.submission(
    questions, predictions, flags.threshold, found
  )
  write_json(flags.output, content, indent=1)
  counts = dict(sorted((+found).items()))
  for what, count in counts.items():
    print(f'{what.replace("_", " "):48}{count:>8,}', file=sys.stderr)
  return {'output': flags.output, 'counts': counts}


FLAGS = (
  Flag('--questions=RAW ...', "the challenge's questions", ..., 'input'),
  Flag('--predictions=NBEST ...', 'prediction files', ..., 'input'),
  Flag('--output=FILE', 'file to write; - is stdout', ..., 'stdout'),
  Flag(
    '--threshold',
    'least probability in a list',
    0.42,
    range=errors.NOT_NEGATIVE,
  ),
)
EXAMPLES = (
  '--questions 7B1.json --predictions runs/bioasq/nbest_predictions.json '
  '--output=submission.json',
  '--questions 7B1.json --predictions factoid.json list.json yesno.json '
  '--output=submission.json --threshold=0.5',
)
WRITES = 'FILE, in the form of the challenge'
COMMAND = Command('prepare-submission', __doc__, FLAGS, _run, EXAMPLES, WRITES)

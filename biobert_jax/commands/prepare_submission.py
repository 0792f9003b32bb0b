"""`prepare-submission`: predictions -> the file that BioASQ's server takes."""

import argparse
import json
import sys
from collections import Counter
from typing import Any

from biobert_jax.commands.command import INPUT, OUTPUT, Command, Flag
from biobert_jax.errors import InputError


def run(flags: argparse.Namespace) -> dict[str, Any]:
  """Writes a submission."""
  if not flags.threshold >= 0:  # Also refuses NaN.
    raise InputError(
      f'--threshold is {flags.threshold}; it must not be negative'
    )
  from biobert_jax.io.atomic import atomic_write
  from biobert_jax.preprocessing.bioasq import questions as bioasq_questions
  from biobert_jax.preprocessing.bioasq import submission

  questions = {
    q.id: q
    for q in bioasq_questions.read(flags.questions, Counter(), max_broken=None)
  }
  predictions = submission.read_predictions(flags.predictions, questions)
  counts: Counter[str] = Counter()
  content = submission.submission(
    questions, predictions, flags.threshold, counts
  )
  with atomic_write(flags.output) as file:
    file.write(json.dumps(content, indent=1, ensure_ascii=False) + '\n')
  for what, count in sorted((+counts).items()):
    print(f'{what.replace("_", " "):48}{count:>8,}', file=sys.stderr)
  return {'output': flags.output, 'counts': dict(sorted((+counts).items()))}


COMMAND = Command(
  name='prepare-submission',
  summary="make the file that BioASQ's server takes of predictions",
  about="""\
Predictions are nbest_predictions.json of factoid and list questions, ours or
those of BioBERT's code, and answers to yes/no questions; those of all types
make one file. Exact answers in RAW.json are not looked at; where it has them,
`score bioasq RAW.json SUBMISSION.json` scores the file.""",
  flags=(
    Flag(
      'questions',
      'questions as the challenge hands them out',
      required=True,
      many=True,
      path=INPUT,
      metavar='RAW',
    ),
    Flag(
      'predictions',
      'prediction files',
      required=True,
      many=True,
      path=INPUT,
      metavar='NBEST',
    ),
    Flag(
      'output',
      'file to write; - is stdout',
      required=True,
      path=OUTPUT,
      stream=True,
      metavar='FILE',
    ),
    Flag(
      'threshold',
      'least summed probability of an answer to a list question',
      0.42,
    ),
  ),
  examples=(
    'prepare-submission --questions 7B1.json --predictions '
    'runs/bioasq/nbest_predictions.json --output=submission.json',
    'prepare-submission --questions 7B1.json --predictions factoid.json '
    'list.json yesno.json --output=submission.json --threshold=0.5',
  ),
  writes='FILE, in the form of the challenge',
  run=run,
)

"""Makes the file that BioASQ's server takes of predictions for its questions.

    python scripts/prepare_submission.py --questions RAW.json [MORE.json …]
        --predictions NBEST.json [MORE.json …] --output SUBMISSION.json
        [--threshold 0.42]

RAW.json holds the questions as the challenge hands them out; exact answers in
it are not looked at. Predictions are nbest_predictions.json of factoid and
list questions, ours or those of BioBERT's code, and answers to yes/no
questions; those of all types make one file. How answers are chosen is said in
preprocessing/bioasq/submission.py. `scripts/score.py bioasq RAW.json
SUBMISSION.json` scores it where RAW.json has exact answers.

A table of counts goes to standard error; the last line on standard output is
one JSON object. Exit codes: 0 done, 3 bad input.
"""

import argparse
import io
import json
import os
import sys
from collections import Counter

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from biobert_jax import errors
from biobert_jax.io.atomic import atomic_write
from biobert_jax.preprocessing.bioasq import questions as bioasq_questions
from biobert_jax.preprocessing.bioasq import submission


def parse(arguments: list[str]) -> argparse.Namespace:
  """Reads the command line."""
  parser = argparse.ArgumentParser(
    prog='prepare_submission.py',
    description="Makes the file that BioASQ's server takes.",
  )
  add = parser.add_argument
  add('--questions', required=True, nargs='+', metavar='RAW.json')
  add('--predictions', required=True, nargs='+', metavar='NBEST.json')
  add('--output', required=True, metavar='SUBMISSION.json')
  add(
    *('--threshold',),
    type=float,
    default=submission.THRESHOLD,
    help='of the summed probability of an answer to a list question',
  )
  return parser.parse_args(arguments)


def run(flags: argparse.Namespace) -> None:
  """Writes the submission that the flags name, and reports."""
  if not flags.threshold >= 0:  # Also refuses NaN.
    raise errors.InputError(
      f'--threshold is {flags.threshold}; it must not be negative'
    )
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
  summary = {'output': flags.output, 'counts': dict(sorted((+counts).items()))}
  print(json.dumps(summary, ensure_ascii=False))


def main(arguments: list[str]) -> int:
  """Runs the command; returns the exit code."""
  return errors.exit_code_of(lambda: run(parse(arguments)))


if __name__ == '__main__':
  for stream in (sys.stdout, sys.stderr):
    if isinstance(stream, io.TextIOWrapper):
      stream.reconfigure(encoding='utf-8')
  sys.exit(main(sys.argv[1:]))

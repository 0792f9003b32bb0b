"""`score TASK`: any system's output, by the official measure of its task."""

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from biobert_jax.commands.command import INPUT, OUTPUT, Command, Flag
from biobert_jax.errors import InputError

if TYPE_CHECKING:
  from biobert_jax.metrics.score_files import Outcome

_GOLD = Flag(
  'gold',
  'gold file; - is stdin',
  required=True,
  positional=True,
  path=INPUT,
  stream=True,
  metavar='GOLD',
)
_PREDICTIONS = Flag(
  'predictions',
  'prediction file; - is stdin',
  required=True,
  positional=True,
  path=INPUT,
  stream=True,
  metavar='PREDICTIONS',
)
_RESAMPLING = (
  Flag('bootstrap', 'resamples for 95 % intervals; 0: none', 1000),
  Flag('seed', 'seed of the resampling', 0),
)
_WRITES = 'none; a table on standard error, the figures as JSON'


def _report(
  flags: argparse.Namespace,
  score: 'Callable[[], Outcome]',
  show_line: bool = False,
) -> dict[str, Any]:
  """Prints the table of a score; returns its figures."""
  if flags.bootstrap < 0 or flags.seed < 0:
    raise InputError(
      '--bootstrap and --seed: must not be negative; 0 resamples means no '
      'interval'
    )
  outcome = score()
  print(outcome.table, file=sys.stderr)
  if show_line:
    print(outcome.line)
  return outcome.figures


def _ner(flags: argparse.Namespace) -> dict[str, Any]:
  from biobert_jax.metrics import score_files

  return _report(
    flags,
    lambda: score_files.score_ner(
      flags.file, flags.errors, flags.bootstrap, flags.seed
    ),
    flags.conlleval,
  )


def _relation(flags: argparse.Namespace) -> dict[str, Any]:
  from biobert_jax.metrics import score_files

  return _report(
    flags,
    lambda: score_files.score_relation(
      flags.gold, flags.predictions, flags.task, flags.bootstrap, flags.seed
    ),
  )


def _squad(flags: argparse.Namespace) -> dict[str, Any]:
  from biobert_jax.metrics import score_files

  return _report(
    flags,
    lambda: score_files.score_squad(
      flags.gold,
      flags.predictions,
      flags.null_odds,
      version=flags.version,
      threshold=flags.threshold,
      bootstrap=flags.bootstrap,
      seed=flags.seed,
    ),
  )


def _bioasq(flags: argparse.Namespace) -> dict[str, Any]:
  from biobert_jax.metrics import score_files

  return _report(
    flags,
    lambda: score_files.score_bioasq(
      flags.gold, flags.predictions, flags.bootstrap, flags.seed
    ),
    flags.line,
  )


def _pubmedqa(flags: argparse.Namespace) -> dict[str, Any]:
  from biobert_jax.metrics import score_files

  return _report(
    flags,
    lambda: score_files.score_pubmedqa(
      flags.gold, flags.predictions, flags.bootstrap, flags.seed
    ),
  )


COMMANDS = (
  Command(
    name='score ner',
    summary='precision, recall and F1 of entities, as conlleval.pl',
    about="""\
FILE is conlleval's input: one token per line, its columns separated by tabs or
by spaces (the first line decides), the last two the gold and the predicted
tag. A blank line, or a first column -X-, ends a sentence. A -DOCSTART- line is
a token like any other, as it is to conlleval.pl.""",
    flags=(
      Flag(
        'file',
        'tokens with gold and predicted tags; - is stdin',
        required=True,
        positional=True,
        path=INPUT,
        stream=True,
        metavar='FILE',
      ),
      Flag(
        'errors',
        'list false positives and false negatives',
        '',
        path=OUTPUT,
        metavar='OUT.tsv',
      ),
      Flag('conlleval', "print conlleval's text first", False),
      *_RESAMPLING,
    ),
    examples=(
      'score ner runs/ncbi/predictions_test.tsv',
      'score ner tags.txt --errors=errors.tsv --bootstrap=0',
    ),
    writes='OUT.tsv of --errors; a table on standard error, figures as JSON',
    run=_ner,
  ),
  Command(
    name='score relation',
    summary="precision, recall, F1, specificity, as BioBERT's re_eval.py",
    about="""\
GOLD is BioBERT's test.tsv, PREDICTIONS its test_results.tsv, or one label per
line; quotes are text. Folders of folds (GOLD/1/test.tsv,
PREDICTIONS/1/test_results.tsv, ...) give mean and standard deviation. The
corpus ddi is DDI 2013 with BLUE's labels (DDI-effect), ddi2013 with the
challenge's (effect); a note says where an official evaluator counts
otherwise.""",
    flags=(
      _GOLD,
      _PREDICTIONS,
      Flag(
        'task',
        'corpus',
        '',
        choices=('gad', 'euadr', 'chemprot', 'ddi', 'ddi2013', 'drugprot'),
        unset='the first with such labels',
      ),
      *_RESAMPLING,
    ),
    examples=(
      'score relation test.tsv test_results.tsv',
      'score relation GAD runs/gad --task=gad',
    ),
    writes=_WRITES,
    run=_relation,
  ),
  Command(
    name='score squad',
    summary='exact match and F1, as evaluate-v1.1.py and evaluate-v2.0.py',
    about="""\
Equal to evaluate-v2.0.py where the gold file has unanswerable questions, else
to evaluate-v1.1.py.""",
    flags=(
      _GOLD,
      _PREDICTIONS,
      Flag(
        'null_odds',
        "a number per question id, as run_squad.py's null_odds.json",
        '',
        path=INPUT,
        metavar='FILE',
      ),
      Flag('threshold', 'null odds above it mean no answer', 1.0),
      Flag(
        'version',
        'version of SQuAD',
        choices=('1.1', '2.0'),
        unset='as the gold file tells',
      ),
      *_RESAMPLING,
    ),
    examples=(
      'score squad dev-v1.1.json predictions.json',
      'score squad dev-v2.0.json predictions.json --null_odds=null_odds.json',
    ),
    writes=_WRITES,
    run=_squad,
  ),
  Command(
    name='score bioasq',
    summary="factoid, list and yes/no answers, as the challenge's evaluator",
    about="Equal to the evaluator's -phaseB -e 5.",
    flags=(
      _GOLD,
      _PREDICTIONS,
      Flag('line', "print the evaluator's line first", False),
      *_RESAMPLING,
    ),
    examples=(
      'score bioasq 7B1_golden.json submission.json',
      'score bioasq 7B1_golden.json submission.json --line',
    ),
    writes=_WRITES,
    run=_bioasq,
  ),
  Command(
    name='score pubmedqa',
    summary="accuracy and macro F1, as PubMedQA's evaluation.py",
    flags=(_GOLD, _PREDICTIONS, *_RESAMPLING),
    examples=(
      'score pubmedqa test_ground_truth.json predictions.json',
      'score pubmedqa test_ground_truth.json - < predictions.json',
    ),
    writes=_WRITES,
    run=_pubmedqa,
  ),
)

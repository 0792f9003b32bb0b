"""`score TASK`: any system's output, by the official measure of its task."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from biobert_jax.commands.command import Command, Flag, Flags, Summary
from biobert_jax.errors import InputError

if TYPE_CHECKING:
  from biobert_jax.metrics.score_files import Outcome


def _report(
  flags: Flags,
  score: 'Callable[..., Outcome]',
  *given: str,
  show_line: bool = False,
  **options: Any,
) -> Summary:
  """Prints the table of a score; returns its figures."""
  if flags.bootstrap < 0 or flags.seed < 0:
    what = '--bootstrap and --seed: must not be negative'
    raise InputError(f'{what}; 0 resamples means no interval')
  outcome = score(*given, bootstrap=flags.bootstrap, seed=flags.seed, **options)
  print(outcome.table, file=sys.stderr)
  if show_line:
    print(outcome.line)
  return outcome.figures


def _ner(flags: Flags) -> Summary:
  from biobert_jax.metrics.score_files import score_ner

  given = (flags.file, flags.predictions, flags.errors)
  options = {'scheme': flags.scheme, 'untyped': flags.untyped}
  return _report(flags, score_ner, *given, show_line=flags.conlleval, **options)


def _relation(flags: Flags) -> Summary:
  from biobert_jax.metrics.score_files import score_relation

  given = (flags.gold, flags.predictions, flags.task)
  return _report(flags, score_relation, *given)


def _squad(flags: Flags) -> Summary:
  from biobert_jax.metrics.score_files import score_squad

  given = (flags.gold, flags.predictions, flags.null_odds)
  options = {'version': flags.version, 'threshold': flags.threshold}
  return _report(flags, score_squad, *given, **options)


def _bioasq(flags: Flags) -> Summary:
  from biobert_jax.metrics.score_files import score_bioasq

  given = (flags.gold, flags.predictions)
  return _report(flags, score_bioasq, *given, show_line=flags.line)


def _pubmedqa(flags: Flags) -> Summary:
  from biobert_jax.metrics.score_files import score_pubmedqa

  return _report(flags, score_pubmedqa, flags.gold, flags.predictions)


_FILES = (
  Flag('GOLD', 'gold file; - is stdin', ..., 'stdin'),
  Flag('PREDICTIONS', 'prediction file; - is stdin', ..., 'stdin'),
)
_RESAMPLING = (
  Flag('--bootstrap', 'resamples for 95 % intervals; 0: none', 1000),
  Flag('--seed', 'seed of the resampling', 0),
)
_WRITES = 'none; a table on standard error, the figures as JSON'

NER = Command(
  'score ner',
  """\
Precision, recall and F1 of entities, as conlleval.pl.

FILE is conlleval's input: one token per line, its columns separated by tabs or
by spaces (the first line decides), the last two the gold and the predicted
tag. A blank line, or a first column -X-, ends a sentence. A -DOCSTART- line is
a token like any other, as it is to conlleval.pl.

With PREDICTIONS, FILE has the gold tags in its last column; PREDICTIONS has the
same tokens with the predicted tags in its last column, or these tags alone.

Besides: the macro average over types; strict scores, of entities well formed
by the scheme, as seqeval's strict mode; relaxed ones (an overlap and the same
type; the last column has gold / predicted entities that match); and those of
left and right boundaries alone.""",
  (
    Flag('FILE', 'tokens, gold and predicted tags; - is stdin', ..., 'stdin'),
    Flag(
      'PREDICTIONS',
      'predicted tags, where FILE has gold ones; - is stdin',
      '',
      'stdin',
    ),
    Flag(
      '--scheme=auto|IOB1|IOB2|IOE1|IOE2|IOBES|BILOU',
      'of the strict scores; auto: that of the gold tags',
      'auto',
    ),
    Flag('--untyped', 'leave types out, in gold and predicted tags', False),
    Flag(
      '--errors=OUT.tsv', 'list false positives and negatives', '', 'stdout'
    ),
    Flag('--conlleval', "print conlleval's text first", False),
    *_RESAMPLING,
  ),
  _ner,
  (
    'runs/ncbi/predictions_test.tsv',
    'gold.tsv predicted.tsv --errors=errors.tsv',
  ),
  'OUT.tsv of --errors; a table on standard error, figures as JSON',
)
RELATION = Command(
  'score relation',
  """\
Precision, recall, F1, specificity, as BioBERT's re_eval.py.

GOLD is BioBERT's test.tsv, PREDICTIONS its test_results.tsv, or one label per
line; quotes are text. Folders of folds (GOLD/1/test.tsv,
PREDICTIONS/1/test_results.tsv, ...) give mean and standard deviation. The
corpus ddi is DDI 2013 with BLUE's labels (DDI-effect), ddi2013 with the
challenge's (effect); a note says where an official evaluator counts
otherwise.""",
  (
    *_FILES,
    Flag(
      '--task=gad|euadr|chemprot|ddi|ddi2013|drugprot',
      'corpus',
      '',
      unset='the first with such labels',
    ),
    *_RESAMPLING,
  ),
  _relation,
  ('test.tsv test_results.tsv', 'GAD runs/gad --task=gad'),
  _WRITES,
)
SQUAD = Command(
  'score squad',
  """\
Exact match and F1, as evaluate-v1.1.py and evaluate-v2.0.py.

Equal to evaluate-v2.0.py where the gold file has unanswerable questions, else
to evaluate-v1.1.py. Predictions for ids that the gold file lacks are passed
over and counted.""",
  (
    *_FILES,
    Flag('--null_odds=FILE', "run_squad.py's null_odds.json", '', 'input'),
    Flag('--threshold', 'null odds above it mean no answer', 1.0),
    Flag(
      '--version=1.1|2.0', 'version of SQuAD', unset='as the gold file tells'
    ),
    *_RESAMPLING,
  ),
  _squad,
  (
    'dev-v1.1.json predictions.json',
    'dev-v2.0.json predictions.json --null_odds=null_odds.json',
  ),
  _WRITES,
)
BIOASQ = Command(
  'score bioasq',
  """\
Factoid, list and yes/no answers, as the challenge's evaluator.

Equal to the evaluator's -phaseB -e 5. Answers to questions that the gold file
lacks are passed over and counted.""",
  (
    *_FILES,
    Flag('--line', "print the evaluator's line first", False),
    *_RESAMPLING,
  ),
  _bioasq,
  ('7B1_golden.json answers.json', '7B1_golden.json answers.json --line'),
  _WRITES,
)
PUBMEDQA = Command(
  'score pubmedqa',
  """\
Accuracy and macro F1, as PubMedQA's evaluation.py.

Labels of ids that the gold file lacks are passed over and counted.""",
  (*_FILES, *_RESAMPLING),
  _pubmedqa,
  ('ground_truth.json said.json', 'ground_truth.json - < said.json'),
  _WRITES,
)
COMMANDS = (NER, RELATION, SQUAD, BIOASQ, PUBMEDQA)

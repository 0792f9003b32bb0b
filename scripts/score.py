"""Scores any system's output with the official measure of its task.

    python scripts/score.py ner FILE [--errors OUT.tsv] [--conlleval]
    python scripts/score.py relation GOLD.tsv PREDICTIONS.tsv
        [--task=gad|euadr|chemprot|ddi|ddi2013|drugprot]
    python scripts/score.py squad GOLD.json PREDICTIONS.json
        [--null_odds=FILE] [--threshold=1.0] [--version=1.1|2.0]
    python scripts/score.py bioasq GOLD.json SUBMISSION.json [--line]
    python scripts/score.py pubmedqa GOLD.json PREDICTIONS.json

All take [--bootstrap N] [--seed N]. `-` is standard input.

`ner`: FILE is conlleval's input: one token a line, its columns separated by
tabs or by spaces (the first line decides), the last two the gold and the
predicted tag; a blank line, or a first column `-X-`, ends a sentence. A
`-DOCSTART-` line is a token like any other, as it is to conlleval.pl.

`relation`: GOLD is BioBERT's test.tsv, PREDICTIONS its test_results.tsv, or
one label a line; quotes are text. Folders of folds (GOLD/1/test.tsv,
PREDICTIONS/1/test_results.tsv, ...) give mean and deviation. `ddi` is DDI 2013
with BLUE's labels (DDI-effect), `ddi2013` with the challenge's (effect); where
an official evaluator counts otherwise, a note says how.

`squad`: equal to evaluate-v1.1.py, or to evaluate-v2.0.py if the gold file has
unanswerable questions. `bioasq`: equal to the challenge's evaluator, `-phaseB
-e 5`, whose line --line prints. `pubmedqa`: equal to its evaluation.py.

A table goes to standard error; the last line on standard output is one JSON
object. Exit codes: 0 done, 3 bad input.
"""

import argparse
import io
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from biobert_jax import errors
from biobert_jax.metrics import label_files, ner, relation, score_files, squad


def write_errors(
  path: str, sentences: list[label_files.Sentence], report: ner.Report
) -> None:
  """Lists false positives and false negatives in the order of the file.

  Args:
    path: of a TSV with columns kind, line (of the first token), type, text.
    sentences: what was scored.
    report: of these sentences.

  Raises:
    InputError: if the file cannot be written.
  """
  rows = []
  for kind, spans in (
    ('false_negative', report.false_negatives),
    ('false_positive', report.false_positives),
  ):
    for span in spans:
      sentence = sentences[span.sentence]
      tokens = sentence.tokens[span.start : span.end]
      text = ' '.join(tokens).replace('\t', ' ')
      rows.append((sentence.lines[span.start], kind, span.type, text))
  aside = path + '.tmp'
  try:
    with open(aside, 'w', encoding='utf-8', newline='\n') as file:
      file.write('kind\tline\ttype\ttext\n')
      for line, kind, type_, text in sorted(rows):
        file.write(f'{kind}\t{line}\t{type_}\t{text}\n')
    os.replace(aside, path)
  except OSError as error:
    raise errors.InputError(
      f'{path}: cannot be written ({error.strerror}); name a file in a '
      'writable folder'
    ) from error


def table(report: ner.Report) -> str:
  """The report as a person reads it."""
  rows = [['', 'precision', 'recall', 'F1', *ner.Score._fields]]
  for type_, score in report.per_type.items():
    rows.append([type_ or '(no type)', *score_files.counted(score)])
  rows.append(['overall', *score_files.counted(report.overall)])
  lines = [
    score_files.layout(rows),
    *score_files.interval_line('F1', report.interval),
  ]
  lines.append(f'{report.tokens} tokens, accuracy {report.accuracy:.2f} %')
  return '\n'.join(lines)


def notes(
  sentences: list[label_files.Sentence], report: ner.Report
) -> list[str]:
  """What may surprise in the score: schemes that conlleval half knows."""
  tags = {tag for s in sentences for tag in (*s.gold, *s.predicted)}
  heads = sorted({tag.partition('-')[0] for tag in tags} - {'B', 'I', 'O'})
  found = []
  if heads:
    found.append(
      f'note: beside B, I, O there are tags {", ".join(heads[:5])}; conlleval '
      'joins neighbours of one type there, convert them to B, I, O to keep '
      'them apart'
    )
  overall = report.overall
  if len(report.false_negatives) != overall.gold - overall.correct:
    found.append(
      'note: conlleval leaves chunks open at such tags and counts fewer '
      'correct ones than the list of errors tells'
    )
  return found


def score_ner(flags: argparse.Namespace) -> None:
  """Scores the file that the flags name, and reports."""
  if flags.errors and os.path.realpath(flags.errors) == os.path.realpath(
    flags.file
  ):
    raise errors.InputError(
      f'{flags.errors}: is the input too; name another file for --errors'
    )
  sentences = label_files.read_tags(flags.file)
  report = ner.evaluate(
    [sentence.gold for sentence in sentences],
    [sentence.predicted for sentence in sentences],
    bootstrap=flags.bootstrap,
    seed=flags.seed,
  )
  if flags.errors:
    write_errors(flags.errors, sentences, report)
  print(table(report), *notes(sentences, report), sep='\n', file=sys.stderr)
  if flags.conlleval:
    print(ner.conlleval_text(report), end='')
  print(json.dumps(ner.as_dict(report)))


def report(outcome: score_files.Outcome, line: bool = False) -> None:
  """Prints a table for people, then, for programs, the figures."""
  print(outcome.table, file=sys.stderr)
  if line:
    print(outcome.line)
  print(json.dumps(outcome.figures))


def score_relation(flags: argparse.Namespace) -> None:
  """Scores predicted relations."""
  report(
    score_files.score_relation(
      flags.gold, flags.predictions, flags.task, flags.bootstrap, flags.seed
    )
  )


def score_squad(flags: argparse.Namespace) -> None:
  """Scores answers that are spans of a text, or none."""
  report(
    score_files.score_squad(
      flags.gold,
      flags.predictions,
      flags.null_odds,
      version=flags.version,
      threshold=flags.threshold,
      bootstrap=flags.bootstrap,
      seed=flags.seed,
    )
  )


def score_bioasq(flags: argparse.Namespace) -> None:
  """Scores factoid, list and yes/no answers."""
  report(
    score_files.score_bioasq(
      flags.gold, flags.predictions, flags.bootstrap, flags.seed
    ),
    flags.line,
  )


def score_pubmedqa(flags: argparse.Namespace) -> None:
  """Scores yes, no and maybe."""
  report(
    score_files.score_pubmedqa(
      flags.gold, flags.predictions, flags.bootstrap, flags.seed
    )
  )


def parse(arguments: list[str]) -> argparse.Namespace:
  """Reads the command line."""
  parser = argparse.ArgumentParser(
    prog='score.py',
    description="Scores any system's output with its task's official measure.",
  )
  tasks = parser.add_subparsers(dest='command', required=True, metavar='TASK')
  commands = {}
  for name, score, help_ in (
    ('ner', score_ner, 'entity P, R, F1 as conlleval.pl counts them'),
    ('relation', score_relation, "P, R, F1, specificity as BioBERT's re_eval"),
    ('squad', score_squad, 'exact match and F1 as evaluate-v1.1 and -v2.0'),
    ('bioasq', score_bioasq, "factoid, list, yes/no as the challenge's Java"),
    ('pubmedqa', score_pubmedqa, 'accuracy and macro F1 as its evaluation.py'),
  ):
    command = commands[name] = tasks.add_parser(name, help=help_)
    command.set_defaults(score=score)
    if name != 'ner':
      command.add_argument('gold', help='the file with what is right')
      command.add_argument('predictions', help='the file with what was said')
    command.add_argument(
      '--bootstrap',
      type=int,
      default=1000,
      metavar='N',
      help='resamples for 95%% intervals (default %(default)s; 0: none)',
    )
    command.add_argument(
      '--seed', type=int, default=0, help='of the resampling (default 0)'
    )
  own_flags(commands)
  return parser.parse_args(arguments)


def own_flags(commands: dict[str, argparse.ArgumentParser]) -> None:
  """Adds the flags that only one command has."""
  add = commands['ner'].add_argument
  add('file', help='token ... gold predicted, one token a line; - is stdin')
  add('--errors', metavar='OUT.tsv', help='list false positives and negatives')
  add('--conlleval', action='store_true', help="print the script's text first")
  add = commands['relation'].add_argument
  add(
    '--task',
    choices=list(relation.LABELS),
    default='',
    help='the corpus (default: the first with such labels)',
  )
  add = commands['squad'].add_argument
  add('--null_odds', default='', metavar='FILE', help='number by question id')
  add(
    '--threshold',
    type=float,
    default=squad.THRESHOLD,
    help='null odds above it mean no answer (default %(default)s)',
  )
  add('--version', choices=squad.VERSIONS, help='(default: as GOLD tells)')
  add = commands['bioasq'].add_argument
  add('--line', action='store_true', help="print the evaluator's line first")


def run(flags: argparse.Namespace) -> None:
  """Scores what the flags name."""
  if flags.bootstrap < 0 or flags.seed < 0:
    raise errors.InputError(
      '--bootstrap and --seed: must not be negative; 0 resamples means no '
      'interval'
    )
  flags.score(flags)


def main(arguments: list[str]) -> int:
  """Runs the command; returns the exit code."""
  flags = parse(arguments)
  return errors.exit_code_of(lambda: run(flags))


if __name__ == '__main__':
  for stream in (sys.stdout, sys.stderr):
    if isinstance(stream, io.TextIOWrapper):
      stream.reconfigure(encoding='utf-8')  # Types are printed as they are.
  sys.exit(main(sys.argv[1:]))

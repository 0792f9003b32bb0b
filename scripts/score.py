"""Scores any system's output with the official measure of its task.

    python scripts/score.py ner FILE [--errors OUT.tsv] [--bootstrap N]
        [--seed N] [--conlleval]

`ner`: FILE is conlleval's input, `-` is standard input: one token a line, its
columns separated by tabs or by spaces (the first line decides), the last two
the gold and the predicted tag; a blank line, or a first column `-X-`, ends a
sentence. A `-DOCSTART-` line is a token like any other, as it is to
conlleval.pl.

A table goes to standard error; the last line on standard output is one JSON
object. Exit codes: 0 done, 3 bad input.
"""

import argparse
import io
import json
import os
import re
import sys
from dataclasses import dataclass, field

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from biobert_jax import errors
from biobert_jax.metrics import ner

_BOUNDARY = '-X-'  # conlleval.pl's $boundary: such a line ends a sentence.


@dataclass
class Sentence:
  """The rows between two breaks, column by column."""

  tokens: list[str] = field(default_factory=list)
  gold: list[str] = field(default_factory=list)
  predicted: list[str] = field(default_factory=list)
  lines: list[int] = field(default_factory=list)  # Counted from 1.


def read_text(path: str) -> str:
  """The text of a UTF-8 file, without its byte order mark.

  Args:
    path: of the file; '-' is standard input.

  Returns:
    The text.

  Raises:
    InputError: if the file cannot be read or is not UTF-8.
  """
  try:
    if path == '-':
      content = sys.stdin.buffer.read()
    else:
      with open(path, 'rb') as file:
        content = file.read()
  except OSError as error:
    raise errors.InputError(
      f'{path}: cannot be read ({error.strerror}); name a file of '
      'token, gold and predicted tag'
    ) from error
  try:
    return content.decode('utf-8-sig')
  except UnicodeDecodeError as error:
    line = content.count(b'\n', 0, error.start) + 1
    raise errors.InputError.at(
      path, line, 'is not UTF-8; convert the file with iconv'
    ) from error


def read_tags(path: str) -> list[Sentence]:
  """Reads a file of tokens with gold and predicted tags.

  Args:
    path: of the file; '-' is standard input.

  Returns:
    The sentences. One without rows stands for each break too many.

  Raises:
    InputError: if the file is unreadable, holds no token, or a line has fewer
      than three columns or not as many as the first.
  """
  sentences = [Sentence()]
  separator, columns = '', 0
  # Not `splitlines`: a token may hold U+2028 and its like.
  for number, line in enumerate(read_text(path).split('\n'), start=1):
    row = line.rstrip(' \t\r')
    if not row:
      sentences.append(Sentence())
      continue
    if not separator:
      separator = '\t' if '\t' in row else ' '
    fields = row.split('\t') if separator == '\t' else re.split(' +', row)
    if fields[0] == _BOUNDARY:
      sentences.append(Sentence())
      continue
    columns = columns or len(fields)
    if len(fields) < 3 or len(fields) != columns or '\r' in row:
      what = _complaint(row, separator, len(fields), columns)
      raise errors.InputError.at(path, number, what)
    if not fields[-2]:
      raise errors.InputError.at(
        path, number, 'has an empty gold tag; write O for outside'
      )
    sentence = sentences[-1]
    sentence.tokens.append(fields[0])
    sentence.gold.append(fields[-2])
    sentence.predicted.append(fields[-1])
    sentence.lines.append(number)
  if not columns:
    raise errors.InputError(
      f'{path}: holds no token; write one `token gold predicted` a line'
    )
  if not line:  # What follows the last line break is not a line, nor a break.
    sentences.pop()
  return sentences


def _complaint(row: str, separator: str, found: int, expected: int) -> str:
  if '\r' in row:
    return 'holds a bare carriage return; end lines with \\n or \\r\\n'
  name = 'tab' if separator == '\t' else 'space'
  start = f'has {found} {name}-separated column{"s" if found > 1 else ""}'
  if found < 3:
    return f'{start}; write token, gold tag and predicted tag'
  return (
    f'{start} but the lines before have {expected}; give every line the same '
    'columns, separated by tabs if a token holds a space'
  )


def write_errors(
  path: str, sentences: list[Sentence], report: ner.Report
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
  names = [type_ or '(no type)' for type_ in report.per_type]
  width = max([len('overall'), *map(len, names)])
  header = ''.join(f'{name:>11}' for name in ner.Score._fields)
  lines = [f'{"":{width}}  precision   recall       F1{header}']
  rows = zip(names, report.per_type.values(), strict=True)
  for name, score in [*rows, ('overall', report.overall)]:
    percentages = f'{score.precision:9.2f}{score.recall:9.2f}{score.f1:9.2f}'
    counts = ''.join(f'{count:11d}' for count in score)
    lines.append(f'{name:{width}}  {percentages}{counts}')
  if report.interval:
    low, high = report.interval
    lines.append(f'95 % interval of F1: {low:.2f} to {high:.2f} (bootstrap)')
  lines.append(f'{report.tokens} tokens, accuracy {report.accuracy:.2f} %')
  return '\n'.join(lines)


def notes(sentences: list[Sentence], report: ner.Report) -> list[str]:
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
  if flags.bootstrap < 0 or flags.seed < 0:
    raise errors.InputError(
      '--bootstrap and --seed: must not be negative; 0 resamples means no '
      'interval'
    )
  if flags.errors and os.path.realpath(flags.errors) == os.path.realpath(
    flags.file
  ):
    raise errors.InputError(
      f'{flags.errors}: is the input too; name another file for --errors'
    )
  sentences = read_tags(flags.file)
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


def parse(arguments: list[str]) -> argparse.Namespace:
  """Reads the command line."""
  parser = argparse.ArgumentParser(
    prog='score.py',
    description="Scores any system's output with its task's official measure.",
  )
  tasks = parser.add_subparsers(dest='task', required=True, metavar='TASK')
  command = tasks.add_parser(
    'ner', help='entity precision, recall and F1 as conlleval.pl counts them'
  )
  command.set_defaults(score=score_ner)
  command.add_argument(
    'file', help='token ... gold predicted, one token a line; - is stdin'
  )
  command.add_argument(
    '--errors', metavar='OUT.tsv', help='list false positives and negatives'
  )
  command.add_argument(
    '--bootstrap',
    type=int,
    default=1000,
    metavar='N',
    help='resamples for the 95%% interval of F1 (default %(default)s; 0: none)',
  )
  command.add_argument(
    '--seed', type=int, default=0, help='of the resampling (default 0)'
  )
  command.add_argument(
    '--conlleval', action='store_true', help="print the script's own text first"
  )
  return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
  """Runs the command; returns the exit code."""
  flags = parse(arguments)
  return errors.exit_code_of(lambda: flags.score(flags))


if __name__ == '__main__':
  for stream in (sys.stdout, sys.stderr):
    if isinstance(stream, io.TextIOWrapper):
      stream.reconfigure(encoding='utf-8')  # Types are printed as they are.
  sys.exit(main(sys.argv[1:]))

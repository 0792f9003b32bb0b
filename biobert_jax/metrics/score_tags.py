"""Scores gold and predicted tags of a file as conlleval.pl does."""

import os

from biobert_jax import errors
from biobert_jax.io import atomic
from biobert_jax.metrics import label_files, ner
from biobert_jax.metrics.score_tables import (
  Outcome,
  counted,
  interval_line,
  layout,
)


def score_ner(
  path: str, errors_file: str = '', bootstrap: int = 0, seed: int = 0
) -> Outcome:
  """Scores entities.

  Args:
    path: a file that `label_files.read_tags` reads.
    errors_file: where to list false positives and false negatives; '': nowhere.
    bootstrap: number of resamples for the interval; 0 for none.
    seed: of the resampling.

  Returns:
    The table, the figures of `ner.as_dict`, and the text of conlleval.pl.

  Raises:
    InputError: a file that cannot be read or written.
  """
  if errors_file and os.path.realpath(errors_file) == os.path.realpath(path):
    raise errors.InputError(
      f'{errors_file}: is the input too; name another file for --errors'
    )
  sentences = label_files.read_tags(path)
  report = ner.evaluate(
    [sentence.gold for sentence in sentences],
    [sentence.predicted for sentence in sentences],
    bootstrap=bootstrap,
    seed=seed,
  )
  if errors_file:
    _write_errors(errors_file, sentences, report)
  lines = [_table(report), *_notes(sentences, report)]
  text = ner.conlleval_text(report)
  return Outcome('\n'.join(lines), ner.as_dict(report), text.rstrip('\n'))


def _write_errors(
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
  lines = ['kind\tline\ttype\ttext\n']
  for line, kind, type_, text in sorted(rows):
    lines.append(f'{kind}\t{line}\t{type_}\t{text}\n')
  try:
    atomic.write_text(path, ''.join(lines))
  except OSError as error:
    raise errors.InputError(
      f'{path}: cannot be written ({error.strerror}); name a file in a '
      'writable folder'
    ) from error


def _table(report: ner.Report) -> str:
  """The report as a person reads it."""
  rows = [['', 'precision', 'recall', 'F1', *ner.Score._fields]]
  for type_, score in report.per_type.items():
    rows.append([type_ or '(no type)', *counted(score)])
  rows.append(['overall', *counted(report.overall)])
  lines = [
    layout(rows),
    *interval_line('F1', report.interval),
  ]
  lines.append(f'{report.tokens} tokens, accuracy {report.accuracy:.2f} %')
  return '\n'.join(lines)


def _notes(
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

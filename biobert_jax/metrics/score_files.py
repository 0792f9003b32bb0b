"""Gold file and predictions -> a table for people and figures for programs.

One function for each official measure; they read any system's output. All take
the number of bootstrap resamples for 95 % intervals (0: none) and their seed,
and raise an InputError where a file does not fit.
"""

import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from biobert_jax.errors import InputError
from biobert_jax.io import storage
from biobert_jax.io.atomic import atomic_write
from biobert_jax.metrics import (
  bioasq,
  entity_matches,
  label_files,
  ner,
  pubmedqa,
  qa_files,
  relation,
  squad,
)


class Outcome(NamedTuple):
  """The result of a scoring."""

  table: str  # Lines for people.
  figures: dict[str, Any]  # For JSON, as the measure's `as_dict` has it.
  line: str = ''  # What the original would print, if it is another form.


def score_ner(
  path: str,
  predictions: str = '',
  errors_file: str = '',
  *,
  scheme: str = entity_matches.AUTO,
  untyped: bool = False,
  bootstrap: int = 0,
  seed: int = 0,
) -> Outcome:
  """Scores the tags of a file, or of two, as conlleval.pl does.

  False positives and false negatives are listed in `errors_file`, if named. The
  scheme is that of the strict scores. Untyped: types are left out.
  """
  counts = Counter[str]()
  if predictions:
    given = path, predictions, counts
    sentences = label_files.read_two_tag_files(*given)
  else:
    sentences = label_files.read_tags(path)
  if untyped:
    for sentence in sentences:
      sentence.gold = _heads(sentence.gold)
      sentence.predicted = _heads(sentence.predicted)
  tags = [s.gold for s in sentences], [s.predicted for s in sentences]
  report = ner.evaluate(*tags, bootstrap=bootstrap, seed=seed)
  matches = entity_matches.evaluate(*tags, report, scheme)
  if errors_file:
    _write_errors(errors_file, sentences, report)
  rows = [['', 'precision', 'recall', 'F1', *ner.EntityScore._fields]]
  for type_, score in report.per_type.items():
    rows.append([type_ or '(no type)', *_counted(score)])
  rows.append(['overall', *_counted(report.overall)])
  rows += _match_rows(matches)
  lines = [_layout(rows), *_interval_line('F1', report.interval)]
  lines.append(f'{report.tokens} tokens, accuracy {report.accuracy:.2f} %')
  lines += _scheme_notes(sentences, report)
  lines += _type_notes(report)
  lines += _notes(_BREAK_REMARK, counts)
  if not matches.strict:
    what = f'there are tags that {matches.scheme or "no scheme"} does not have'
    lines.append(f'note: no strict scores: {what}')
  figures = ner.as_dict(report) | entity_matches.as_dict(matches)
  text = ner.conlleval_text(report)
  return Outcome('\n'.join(lines), figures, text.rstrip('\n'))


def _heads(tags: Sequence[str]) -> list[str]:
  return [tag.partition('-')[0] for tag in tags]


def _match_rows(matches: entity_matches.Matches) -> Iterator[list[str]]:
  """The rows below those of conlleval's measure."""
  macro = [f'{figure:.2f}' for figure in matches.macro]
  yield ['macro', *macro, '', '', '']
  if matches.strict:
    yield [f'strict ({matches.scheme})', *_counted(matches.strict)]
  relaxed = matches.relaxed
  sides = relaxed.gold_matched, relaxed.predicted_matched
  right = '/'.join(map(str, dict.fromkeys(sides)))
  yield ['relaxed (overlap)', *_counted(relaxed)[:5], right]
  yield ['left boundary', *_counted(matches.left)]
  yield ['right boundary', *_counted(matches.right)]


def _write_errors(
  path: str, sentences: list[label_files.Sentence], report: ner.EntityReport
) -> None:
  """Lists the mistakes as TSV; a line is that of an entity's first token."""
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
  with atomic_write(path) as file:
    file.write('kind\tline\ttype\ttext\n')
    for line, kind, type_, text in sorted(rows):
      file.write(f'{kind}\t{line}\t{type_}\t{text}\n')


def _scheme_notes(
  sentences: list[label_files.Sentence], report: ner.EntityReport
) -> Iterator[str]:
  """Notes on the score: tag schemes that conlleval half knows."""
  tags = {tag for s in sentences for tag in (*s.gold, *s.predicted)}
  heads = sorted({tag.partition('-')[0] for tag in tags} - {'B', 'I', 'O'})
  if heads:
    what = f'note: beside B, I, O there are tags {", ".join(heads[:5])};'
    what += ' conlleval joins neighbours of one type there, convert them to'
    yield f'{what} B, I, O to keep them apart'
  overall = report.overall
  if len(report.false_negatives) != overall.gold - overall.correct:
    what = 'note: conlleval leaves chunks open at such tags and counts fewer'
    yield f'{what} correct ones than the list of errors tells'


def _type_notes(report: ner.EntityReport) -> Iterator[str]:
  """A note where entities cannot agree for the way they are typed."""
  scores = report.per_type.items()
  sides = {
    'gold': {type_ for type_, score in scores if score.gold},
    'predicted': {type_ for type_, score in scores if score.predicted},
  }
  one, other = sides.values()
  if one and other and (not one & other or ('' in one) != ('' in other)):
    shown = (
      f'{side} {", ".join(type_ or "(no type)" for type_ in sorted(types)[:5])}'
      for side, types in sides.items()
    )
    what = f'note: the tags differ in typing: {"; ".join(shown)}. Entities of'
    yield f'{what} other types never agree; --untyped leaves the types out'


_BREAK_REMARK = {
  'sentence_breaks_that_differ': 'sentence breaks that only one of the files '
  'has; those of the gold file count',
}


def score_relation(
  gold: str, predictions: str, task: str = '', bootstrap: int = 0, seed: int = 0
) -> Outcome:
  """Scores predicted relations; `task` is one of `relation.LABELS`, or ''.

  Two files of one test set, see `label_files`; or two folders of folds 1, 2,
  ..., with a `test.tsv` and a `test_results.tsv` in each.
  """
  sets: Collection[Sequence[str]] = relation.LABELS.values()
  sets = [relation.LABELS[task]] if task else sets
  figures = ['precision', 'recall', 'F1', *relation.RelationScore._fields]
  rows = [['', *figures, 'specificity']]
  reports: list[relation.RelationReport] = []
  for name, gold_path, path in _folds(gold, predictions):
    labels, known = label_files.read_relation_gold(gold_path, sets)
    sets = [known]
    predicted = label_files.read_relation_predictions(path, known)
    if len(labels) != len(predicted):
      what = f'{gold_path} has {len(labels)} examples but {path} has'
      what += f' {len(predicted)} predictions; give one for each, in order'
      raise InputError(what)
    report = relation.evaluate(
      labels, predicted, known, bootstrap=bootstrap, seed=seed
    )
    reports.append(report)
    if not name:
      rows += [[k, *_counted(v), ''] for k, v in report.per_label.items()]
    total = [*_counted(report.overall), f'{report.specificity:.2f}']
    rows.append([f'fold {name}' if name else 'overall', *total])
  if _is_folder(gold):
    return _over_folds(rows, reports)
  lines = [_layout(rows), *_interval_line('F1', report.interval)]
  for name, note in relation.NOTES.items():
    if relation.LABELS[name] == known:
      lines.append(f'note: {note}')
  return Outcome('\n'.join(lines), relation.as_dict(report))


def _folds(gold: str, predictions: str) -> list[tuple[str, str, str]]:
  """(name, gold file, prediction file) of each fold, or of the one pair."""
  if not _is_folder(gold):
    return [('', gold, predictions)]
  names = storage.names(gold)
  count = max((int(name) for name in names if name.isdecimal()), default=1)
  found = []
  for name in map(str, range(1, count + 1)):
    gold_path = os.path.join(gold, name, 'test.tsv')
    path = os.path.join(predictions, name, 'test_results.tsv')
    for file in (gold_path, path):
      if not storage.exists(file):
        what = f'{file}: fold {name} of {count} is missing'
        raise InputError(f'{what}; add it, or name two files of one fold')
    found.append((name, gold_path, path))
  return found


def _is_folder(path: str) -> bool:
  """Whether it is a folder, of folds."""
  return path != '-' and storage.is_dir(path)


def _over_folds(
  rows: list[list[str]], reports: list[relation.RelationReport]
) -> Outcome:
  """Mean and standard deviation below the rows of the folds."""
  summary = relation.over_folds(reports)
  for index, name in enumerate(('mean', 'deviation')):
    cells = [f'{summary[figure][index]:.2f}' for figure in relation.FIGURES]
    rows.append([name, *cells[:3], '', '', '', cells[3]])
  means = {name: round(pair[0], 2) for name, pair in summary.items()}
  spread = {name: round(pair[1], 2) for name, pair in summary.items()}
  folds = [relation.as_dict(report) for report in reports]
  return Outcome(_layout(rows), {**means, 'deviation': spread, 'folds': folds})


def score_squad(
  gold: str,
  predictions: str,
  null_odds: str = '',
  *,
  version: str | None = None,
  threshold: float = squad.THRESHOLD,
  bootstrap: int = 0,
  seed: int = 0,
) -> Outcome:
  """Scores answers as `evaluate-v1.1.py` or `evaluate-v2.0.py` does.

  `null_odds` may be ''. Without a version the gold file tells it.
  """
  questions = qa_files.read_squad_gold(gold, version)
  if null_odds and questions.version == '1.1':
    what = 'null odds belong to version 2.0, but every question has an answer'
    raise InputError(f'{null_odds}: {what}; say --version=2.0 or leave it out')
  counts, of_odds = Counter[str](), Counter[str]()
  predicted = qa_files.read_squad_predictions(predictions, questions, counts)
  odds = None
  if null_odds:
    odds = qa_files.read_null_odds(null_odds, questions, of_odds)
  counts['odds_not_in_gold'] = of_odds['ids_not_in_gold']
  report = squad.evaluate(
    questions.answers,
    predicted,
    version=questions.version,
    null_odds=odds,
    threshold=threshold,
    bootstrap=bootstrap,
    seed=seed,
  )
  rows = [[f'SQuAD {report.version}', 'exact match', 'F1', 'questions']]
  parts = (report.answerable, report.unanswerable, report.overall)
  names = ('answerable', 'unanswerable', 'all')
  for name, part in zip(names, parts, strict=True):
    if part:
      rows.append([name, f'{part[0]:.2f}', f'{part[1]:.2f}', str(part[2])])
  lines = [_layout(rows)]
  for key, name in (('exact', 'exact match'), ('f1', 'F1')):
    lines += _interval_line(name, report.intervals.get(key))
  if best := report.best:
    lines.append(
      f'best thresholds: exact match {best.exact:.2f} at '
      f'{best.exact_threshold:.4g}, F1 {best.f1:.2f} at {best.f1_threshold:.4g}'
    )
  counts['missing'] = report.missing
  lines += _notes(_ID_REMARKS, counts)
  figures = squad.as_dict(report) | _passed_over(counts)
  return Outcome('\n'.join(lines), figures)


def score_bioasq(
  gold: str, submission: str, bootstrap: int = 0, seed: int = 0
) -> Outcome:
  """Scores exact answers as BioASQ's Java evaluator does."""
  of_gold, of_answers = Counter[str](), Counter[str]()
  questions = qa_files.read_bioasq_gold(gold, of_gold)
  answers = qa_files.read_bioasq_submission(submission, questions, of_answers)
  report = bioasq.evaluate(questions, answers, bootstrap=bootstrap, seed=seed)
  rows = [['', 'score', '95 % interval', 'questions', 'answered']]
  for name, value in report.scores._asdict().items():
    type_, _, figure = name.partition('_')
    if not report.questions[type_]:
      continue
    between = _between(report.intervals.get(name), 4)
    counts = (report.questions[type_], report.answered[type_])
    label = f'{type_} {figure.replace("_", " ")}'
    rows.append([label, f'{value:.4f}', between, *map(str, counts)])
  rows[1:] = sorted(rows[1:], key=lambda row: row[0].split()[0])
  of_answers['too_many'] = report.too_many
  lines = [_layout(rows), *_notes(_ID_REMARKS | _REMARKS, of_answers)]
  lines += _notes(_GOLD_REMARKS, of_gold)
  figures = bioasq.as_dict(report) | _passed_over(of_answers)
  return Outcome('\n'.join(lines), figures, bioasq.line(report))


_ID_REMARKS = {
  'ids_not_in_gold': 'ids that the gold file does not have, passed over',
  'odds_not_in_gold': 'null odds of ids that the gold file does not have, '
  'passed over',
  'missing': 'questions without prediction',
}
# Where the Java evaluator would stop, this goes on and says so.
_REMARKS = {
  'missing_questions': 'questions missing, scored as unanswered (the evaluator '
  'would stop there)',
  'null_answers': 'answers that are null, scored as unanswered (the evaluator '
  'would stop there: leave the key out)',
  'flat_answers': 'texts or lists of them, each an answer (the evaluator '
  'would stop there: write [["one"], ["another"]])',
  'ignored_synonyms': 'answers with synonyms, of which only the first counts',
  'neither_yes_nor_no': 'yes/no answers with neither word, which are wrong',
  'too_many': 'factoid questions with more than five answers, which all count '
  '(the challenge takes five)',
}
_GOLD_REMARKS = {
  'flat_answers': 'gold texts or lists of them, each an answer (the '
  'evaluator would stop there)',
  'empty_answers': 'questions without any gold answer, which none can match',
}


def _notes(remarks: Mapping[str, str], counts: Mapping[str, int]) -> list[str]:
  return [
    f'note: {remark}: {counts[name]}'
    for name, remark in remarks.items()
    if counts[name]
  ]


def _passed_over(counts: Counter[str]) -> dict[str, int]:
  return {'ids_not_in_gold': counts['ids_not_in_gold']}


def score_pubmedqa(
  gold: str, predictions: str, bootstrap: int = 0, seed: int = 0
) -> Outcome:
  """Scores yes, no and maybe as PubMedQA's `evaluation.py` does."""
  labels = qa_files.read_pubmedqa_gold(gold)
  counts = Counter[str]()
  predicted = qa_files.read_pubmedqa_predictions(predictions, labels, counts)
  report = pubmedqa.evaluate(
    list(labels.values()),
    [predicted[id_] for id_ in labels],
    bootstrap=bootstrap,
    seed=seed,
  )
  rows = [['', 'score', '95 % interval']]
  for name in ('accuracy', 'macro_f1'):
    between = _between(report.intervals.get(name), 6)
    label = name.replace('_', ' ')
    rows.append([label, f'{getattr(report, name):.6f}', between])
  rows += [[f'F1 of {k}', f'{v:.6f}', ''] for k, v in report.per_label.items()]
  lines = [_layout(rows), *_notes(_ID_REMARKS, counts)]
  lines.append(f'{report.questions} questions')
  figures = pubmedqa.as_dict(report) | _passed_over(counts)
  return Outcome('\n'.join(lines), figures)


def _layout(rows: Sequence[Sequence[str]]) -> str:
  """Rows of cells as a table: the first column to the left, others right."""
  widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
  lines = []
  for first, *others in rows:
    cells = [first.ljust(widths[0])]
    cells += [o.rjust(w) for o, w in zip(others, widths[1:], strict=True)]
    lines.append('  '.join(cells).rstrip())
  return '\n'.join(lines)


def _counted(
  score: ner.EntityScore | relation.RelationScore | entity_matches.Overlap,
) -> list[str]:
  """The cells of a score that counts: percentages, then numbers."""
  figures = score.precision, score.recall, score.f1
  return [*(f'{figure:.2f}' for figure in figures), *map(str, score)]


def _between(pair: Sequence[float] | None, digits: int) -> str:
  return f'{pair[0]:.{digits}f} to {pair[1]:.{digits}f}' if pair else ''


def _interval_line(name: str, pair: Sequence[float] | None) -> list[str]:
  """A line on a bootstrap interval, percent; none if there is no interval."""
  line = f'95 % interval of {name}: {_between(pair, 2)} (bootstrap)'
  return [line] if pair else []

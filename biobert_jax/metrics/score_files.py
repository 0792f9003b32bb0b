"""Gold file and predictions -> a table for people and figures for programs.

One function for each official measure of relation extraction and question
answering; entities are in `score_tags.py`. They read any system's output, and
import neither JAX nor TensorFlow.
"""

import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from biobert_jax.errors import InputError
from biobert_jax.metrics import (
  bioasq,
  label_files,
  pubmedqa,
  qa_files,
  relation,
  squad,
)
from biobert_jax.metrics.score_tables import (
  Outcome,
  counted,
  interval_line,
  layout,
)


def score_relation(
  gold: str, predictions: str, task: str = '', bootstrap: int = 0, seed: int = 0
) -> Outcome:
  """Scores predicted relations, of one test set or over folds.

  Args:
    gold: a file that `scored_lines.read_relation_gold` reads; or a folder of
      folds 1, 2, ... with a `test.tsv` in each.
    predictions: a file that `scored_lines.read_relation_predictions` reads; or
      a folder of the same folds with a `test_results.tsv` in each.
    task: one of `relation.LABELS`; '' to tell by the gold labels.
    bootstrap: number of resamples for the interval; 0 for none.
    seed: of the resampling.

  Raises:
    InputError: if a file or fold is missing, cannot be read, or does not fit.
  """
  sets: Collection[Sequence[str]] = relation.LABELS.values()
  sets = [relation.LABELS[task]] if task else sets
  figures = ['precision', 'recall', 'F1', *relation.Score._fields]
  rows = [['', *figures, 'specificity']]
  reports: list[relation.Report] = []
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
      rows += [[k, *counted(v), ''] for k, v in report.per_label.items()]
    total = [*counted(report.overall), f'{report.specificity:.2f}']
    rows.append([f'fold {name}' if name else 'overall', *total])
  if os.path.isdir(gold):
    return _over_folds(rows, reports)
  lines = [layout(rows), *interval_line('F1', report.interval)]
  notes = [
    f'note: {note}'
    for name, note in relation.NOTES.items()
    if relation.LABELS[name] == known
  ]
  return Outcome('\n'.join(lines + notes), relation.as_dict(report))


def _folds(gold: str, predictions: str) -> list[tuple[str, str, str]]:
  """(name, gold file, prediction file) of each fold, or of the one pair."""
  if not os.path.isdir(gold):
    return [('', gold, predictions)]
  count = max((int(n) for n in os.listdir(gold) if n.isdecimal()), default=1)
  found = []
  for name in map(str, range(1, count + 1)):
    gold_path = os.path.join(gold, name, 'test.tsv')
    path = os.path.join(predictions, name, 'test_results.tsv')
    for file in (gold_path, path):
      if not os.path.isfile(file):
        what = f'{file}: fold {name} of {count} is missing'
        raise InputError(f'{what}; add it, or name two files of one fold')
    found.append((name, gold_path, path))
  return found


def _over_folds(
  rows: list[list[str]], reports: list[relation.Report]
) -> Outcome:
  """Mean and standard deviation below the rows of the folds."""
  summary = relation.over_folds(reports)
  for index, name in enumerate(('mean', 'deviation')):
    cells = [f'{summary[figure][index]:.2f}' for figure in relation.FIGURES]
    rows.append([name, *cells[:3], '', '', '', cells[3]])
  means = {name: round(pair[0], 2) for name, pair in summary.items()}
  spread = {name: round(pair[1], 2) for name, pair in summary.items()}
  folds = [relation.as_dict(report) for report in reports]
  return Outcome(layout(rows), {**means, 'deviation': spread, 'folds': folds})


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

  Args:
    gold: a file in SQuAD's form.
    predictions: a file with an object of texts by id.
    null_odds: a file with an object of numbers by id, as run_squad.py's
      null_odds.json; '' for none.
    version: one of `squad.VERSIONS`; None to tell by the gold file.
    threshold: null odds above it overrule the prediction.
    bootstrap: number of resamples for the intervals; 0 for none.
    seed: of the resampling.

  Raises:
    InputError: if a file cannot be read or does not fit.
  """
  questions = qa_files.read_squad_gold(gold, version)
  if null_odds and questions.version == '1.1':
    what = 'null odds belong to version 2.0, but every question has an answer'
    raise InputError(f'{null_odds}: {what}; say --version=2.0 or leave it out')
  report = squad.evaluate(
    questions.answers,
    qa_files.read_squad_predictions(predictions, questions),
    version=questions.version,
    null_odds=(
      qa_files.read_null_odds(null_odds, questions) if null_odds else None
    ),
    threshold=threshold,
    bootstrap=bootstrap,
    seed=seed,
  )
  return Outcome(_squad_table(report), squad.as_dict(report))


def _squad_table(report: squad.Report) -> str:
  parts = {
    'answerable': report.answerable,
    'unanswerable': report.unanswerable,
    'all': report.overall,
  }
  rows = [[f'SQuAD {report.version}', 'exact match', 'F1', 'questions']]
  for name, part in parts.items():
    if part:
      rows.append([name, f'{part[0]:.2f}', f'{part[1]:.2f}', str(part[2])])
  lines = [layout(rows)]
  for key, name in (('exact', 'exact match'), ('f1', 'F1')):
    lines += interval_line(name, report.intervals.get(key))
  if best := report.best:
    lines.append(
      f'best thresholds: exact match {best.exact:.2f} at '
      f'{best.exact_threshold:.4g}, F1 {best.f1:.2f} at {best.f1_threshold:.4g}'
    )
  if report.missing:
    lines.append(f'note: questions without prediction: {report.missing}')
  return '\n'.join(lines)


def score_bioasq(
  gold: str, submission: str, bootstrap: int = 0, seed: int = 0
) -> Outcome:
  """Scores exact answers as BioASQ's Java evaluator does.

  Args:
    gold: a file of questions in the challenge's form.
    submission: a file of answers in the challenge's form.
    bootstrap: number of resamples for the intervals; 0 for none.
    seed: of the resampling.

  Raises:
    InputError: if a file cannot be read or does not fit.
  """
  of_gold, of_answers = Counter[str](), Counter[str]()
  read = qa_files.read_bioasq_gold(gold, of_gold)
  answers = qa_files.read_bioasq_submission(submission, read, of_answers)
  report = bioasq.evaluate(
    {id_: bioasq.Question(*question) for id_, question in read.items()},
    answers,
    bootstrap=bootstrap,
    seed=seed,
  )
  rows = [['', 'score', '95 % interval', 'questions', 'answered']]
  for name, value in report.scores._asdict().items():
    type_, _, figure = name.partition('_')
    if not report.questions[type_]:
      continue
    pair = report.intervals.get(name)
    between = f'{pair[0]:.4f} to {pair[1]:.4f}' if pair else ''
    counts = (report.questions[type_], report.answered[type_])
    label = f'{type_} {figure.replace("_", " ")}'
    rows.append([label, f'{value:.4f}', between, *map(str, counts)])
  rows[1:] = sorted(rows[1:], key=lambda row: row[0].split()[0])
  of_answers['too_many'] = report.too_many
  lines = [layout(rows), *_notes(_REMARKS, of_answers)]
  lines += _notes(_GOLD_REMARKS, of_gold)
  figures = bioasq.as_dict(report)
  return Outcome('\n'.join(lines), figures, bioasq.line(report))


# Where the Java evaluator would stop, this goes on and says so.
_REMARKS = {
  'missing_questions': 'questions missing, scored as unanswered (the evaluator '
  'would stop there)',
  'null_answers': 'answers that are null, scored as unanswered (the evaluator '
  'would stop there: leave the key out)',
  'flat_answers': 'lists of texts, each taken for an answer (the evaluator '
  'would stop there: write [["one"], ["another"]])',
  'ignored_synonyms': 'answers with synonyms, of which only the first counts',
  'neither_yes_nor_no': 'yes/no answers with neither word, which are wrong',
  'too_many': 'factoid questions with more than five answers, which all count '
  '(the challenge takes five)',
}
_GOLD_REMARKS = {
  'flat_answers': 'gold lists of texts, each taken for an answer (the '
  'evaluator would stop there)',
  'empty_answers': 'questions without any gold answer, which none can match',
}


def _notes(remarks: Mapping[str, str], counts: Mapping[str, int]) -> list[str]:
  return [
    f'note: {remark}: {counts[name]}'
    for name, remark in remarks.items()
    if counts[name]
  ]


def score_pubmedqa(
  gold: str, predictions: str, bootstrap: int = 0, seed: int = 0
) -> Outcome:
  """Scores yes, no and maybe as PubMedQA's `evaluation.py` does.

  Args:
    gold: a file with an object of labels by id.
    predictions: a file of the same form with the same ids.
    bootstrap: number of resamples for the intervals; 0 for none.
    seed: of the resampling.

  Raises:
    InputError: if a file cannot be read or does not fit.
  """
  labels = qa_files.read_pubmedqa_gold(gold)
  predicted = qa_files.read_pubmedqa_predictions(predictions, labels)
  report = pubmedqa.evaluate(
    list(labels.values()),
    [predicted[id_] for id_ in labels],
    bootstrap=bootstrap,
    seed=seed,
  )
  rows = [['', 'score', '95 % interval']]
  for name in ('accuracy', 'macro_f1'):
    pair = report.intervals.get(name)
    between = f'{pair[0]:.6f} to {pair[1]:.6f}' if pair else ''
    rows.append(
      [name.replace('_', ' '), f'{getattr(report, name):.6f}', between]
    )
  rows += [[f'F1 of {k}', f'{v:.6f}', ''] for k, v in report.per_label.items()]
  lines = [layout(rows), f'{report.questions} questions']
  return Outcome('\n'.join(lines), pubmedqa.as_dict(report))

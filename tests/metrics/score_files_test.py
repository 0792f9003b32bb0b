"""Gold and predictions -> tables and figures, as the originals give them."""

import json

import pytest

from biobert_jax.errors import InputError
from biobert_jax.metrics import score_files
from tests.fixtures import bioasq_cases, relation_cases, squad_cases

LABELS = {
  'binary': ('0', '1'),
  'chemprot': ('cpr:3', 'cpr:4', 'cpr:5', 'cpr:6', 'cpr:9', 'false'),
}


def write(folder, name, content):
  path = folder / name
  path.parent.mkdir(parents=True, exist_ok=True)
  text = content if isinstance(content, str) else json.dumps(content)
  path.write_text(text)
  return str(path)


def relation_files(folder, case, gold='gold.tsv', predictions='said.tsv'):
  known = LABELS[case.task]
  rows = [f'{i}\t"x\t{known[int(g)]}' for i, g in enumerate(case.gold)]
  return (
    write(folder, gold, '\n'.join(['index\tsentence\tlabel', *rows])),
    write(folder, predictions, '\n'.join(case.predicted).replace(' ', '\t')),
  )


def squad_files(folder, case):
  questions = [
    {'id': id_, 'answers': [{'text': text} for text in answers]}
    for id_, answers in case.gold.items()
  ]
  return (
    write(
      folder, 'gold.json', {'data': [{'paragraphs': [{'qas': questions}]}]}
    ),
    write(folder, 'said.json', case.predictions),
    write(folder, 'odds.json', case.null_odds) if case.null_odds else '',
  )


def bioasq_files(folder, case):
  def row(id_, answer, **more):
    return {'id': id_, **more, **({'exact_answer': answer} if answer else {})}

  gold = [
    {'id': id_, 'type': question.type, 'exact_answer': question.answer}
    for id_, question in case.gold.items()
  ]
  said = [row(id_, answer) for id_, answer in case.submission.items()]
  return (
    write(folder, 'gold.json', {'questions': gold}),
    write(folder, 'said.json', {'questions': said}),
  )


@pytest.mark.parametrize('case', relation_cases.CASES, ids=lambda c: c.name)
def test_relation_files_have_the_figures_of_the_original(case, tmp_path):
  files = relation_files(tmp_path, case)
  task = 'gad' if case.task == 'binary' else 'chemprot'
  outcome = score_files.score_relation(*files, task=task)
  printed = list(map(float, case.figures.split()))
  names = ('f1', 'recall', 'precision', 'specificity')
  found = [outcome.figures[name] for name in names[: len(printed)]]
  assert found == printed
  overall = outcome.table.splitlines()[-1].split()
  assert overall[0] == 'overall'
  assert float(overall[3]) == printed[0]


@pytest.mark.parametrize('case', squad_cases.CASES, ids=lambda c: c.name)
def test_squad_files_have_the_figures_of_the_original(case, tmp_path):
  outcome = score_files.score_squad(
    *squad_files(tmp_path, case),
    version=case.version,
    threshold=case.threshold,
    bootstrap=20,
  )
  assert {k: outcome.figures[k] for k in case.figures} == case.figures
  assert '95 % interval of exact match' in outcome.table
  assert ('best thresholds' in outcome.table) == bool(case.null_odds)
  assert ('without prediction: 2' in outcome.table) == ('missing' in case.name)


@pytest.mark.parametrize('case', bioasq_cases.CASES, ids=lambda c: c.name)
def test_bioasq_files_have_the_line_of_the_original(case, tmp_path):
  outcome = score_files.score_bioasq(*bioasq_files(tmp_path, case), bootstrap=9)
  assert outcome.line == case.line
  types = {question.type for question in case.gold.values()} - {'summary'}
  rows = [line for line in outcome.table.splitlines() if 'note:' not in line]
  assert {row.split()[0] for row in rows[1:]} == types


def test_pubmedqa_files_are_joined_by_id(tmp_path):
  gold = write(tmp_path, 'g', {'1': 'yes', '2': 'no', '3': 'maybe'})
  said = write(tmp_path, 's', {'3': 'maybe', '2': 'no', '1': 'no'})
  outcome = score_files.score_pubmedqa(gold, said, bootstrap=9)
  assert outcome.figures['accuracy'] == 0.666667
  assert outcome.figures['macro_f1'] == 0.555556
  lines = outcome.table.splitlines()
  assert lines[1].split()[:2] == ['accuracy', '0.666667']
  assert lines[2].split()[:3] == ['macro', 'f1', '0.555556']
  assert lines[-1] == '3 questions'


def fold_files(folder, names):
  cases = {case.name: case for case in relation_cases.CASES}
  for number, name in enumerate(names, start=1):
    relation_files(
      folder,
      cases[name],
      f'gold/{number}/test.tsv',
      f'said/{number}/test_results.tsv',
    )
  return str(folder / 'gold'), str(folder / 'said')


def test_folds_have_mean_and_deviation(tmp_path):
  names = ('all_right', 'some_wrong', *(8 * ('nothing_predicted',)))
  outcome = score_files.score_relation(*fold_files(tmp_path, names))
  figures = outcome.figures
  assert [fold['f1'] for fold in figures['folds']] == [100, 57.14, *(8 * [0])]
  assert figures['f1'] == 15.71
  assert figures['deviation']['f1'] == 34.63
  lines = outcome.table.splitlines()
  assert [line.split()[0] for line in lines[1:]] == (
    10 * ['fold'] + ['mean', 'deviation']
  )
  assert lines[10].split()[:2] == ['fold', '10']
  assert lines[-2].split()[3] == '15.71'


def test_a_fold_that_is_missing_is_named(tmp_path):
  gold, said = fold_files(tmp_path, ['all_right'] * 3)
  (tmp_path / 'said' / '2' / 'test_results.tsv').unlink()
  with pytest.raises(InputError, match=r'said/2/.*: fold 2 of 3 is missing'):
    score_files.score_relation(gold, said)
  (tmp_path / 'gold' / '1' / 'test.tsv').unlink()
  with pytest.raises(
    InputError, match=r'gold/1/test.tsv: fold 1 of 3 is missi'
  ):
    score_files.score_relation(gold, said)
  with pytest.raises(InputError, match=r'test.tsv: fold 1 of 1 is missing'):
    score_files.score_relation(str(tmp_path), said)


def test_folds_are_of_one_corpus(tmp_path):
  gold, said = fold_files(tmp_path, ['all_classes', 'all_right'])
  with pytest.raises(InputError, match="2/test.tsv:2: label '0' is not one of"):
    score_files.score_relation(gold, said)


def test_files_of_other_lengths_are_named(tmp_path):
  gold = write(tmp_path, 'gold', 'a\t1\nb\t0\n')
  said = write(tmp_path, 'said', '1\n')
  with pytest.raises(InputError) as caught:
    score_files.score_relation(gold, said)
  assert f'{gold} has 2 examples but {said} has 1' in str(caught.value)


def test_null_odds_need_version_2(tmp_path):
  case = next(c for c in squad_cases.CASES if c.name == 'words')
  gold, said, _ = squad_files(tmp_path, case)
  odds = write(tmp_path, 'odds.json', dict.fromkeys(case.gold, 0.5))
  with pytest.raises(InputError, match=r'odds.json: null odds belong to ver'):
    score_files.score_squad(gold, said, odds)
  figures = score_files.score_squad(gold, said, odds, version='2.0').figures
  assert figures['best_exact'] == figures['exact']


def test_what_may_surprise_in_bioasq_gets_a_note(tmp_path):
  gold = [
    {'id': '1', 'type': 'factoid', 'exact_answer': ['a', 'b']},
    {'id': '2', 'type': 'list', 'exact_answer': []},
    {'id': '3', 'type': 'yesno', 'exact_answer': 'yes'},
    {'id': '4', 'type': 'yesno', 'exact_answer': 'yes'},
    {'id': '5', 'type': 'yesno', 'exact_answer': 'yes'},
  ]
  said = [
    {'id': '1', 'exact_answer': list('bcdefg')},
    {'id': '2', 'exact_answer': [['a', 'A']]},
    {'id': '3', 'exact_answer': 'perhaps'},
    {'id': '4', 'exact_answer': None},
  ]
  outcome = score_files.score_bioasq(
    write(tmp_path, 'gold', {'questions': gold}),
    write(tmp_path, 'said', {'questions': said}),
  )
  notes = [x for x in outcome.table.splitlines() if x.startswith('note:')]
  starts = (
    'questions missing',
    'answers that are null',
    'texts or lists of them',
    'answers with synonyms',
    'yes/no answers with neither',
    'factoid questions with more than five',
    'gold texts or lists of them',
    'questions without any gold answer',
  )
  assert len(notes) == len(starts)
  for note, start in zip(notes, starts, strict=True):
    assert note.startswith(f'note: {start}')
    assert note.endswith(': 1')
  assert outcome.figures['factoid_mrr'] == 1


@pytest.mark.parametrize(
  ('labels', 'note'),
  [
    (('DDI-advise', 'DDI-false', 'DDI-int'), 'DDIExtraction 2013'),
    (('advise', 'false', 'int'), 'DDIExtraction 2013'),
    (('PART-OF', 'false', 'SUBSTRATE_PRODUCT-OF'), 'DrugProt evaluation'),
    (('CPR:3', 'false', 'CPR:9'), ''),
  ],
)
def test_relation_corpora_are_told_by_their_labels(labels, note, tmp_path):
  """Two types; one wrong, one missed, and an alarm: 1 of 3 and 1 of 3."""
  one, none, other = labels
  gold = (one, one, other, none, none)
  said = (one, other, none, one, none)
  rows = [f'{i}\tw\t{label}\n' for i, label in enumerate(gold)]
  (tmp_path / 'gold').write_text('index\tsentence\tlabel\n' + ''.join(rows))
  (tmp_path / 'said').write_text('\n'.join(said))
  files = [str(tmp_path / name) for name in ('gold', 'said')]
  outcome = score_files.score_relation(*files)
  figures = outcome.figures
  assert (figures['gold'], figures['predicted'], figures['correct']) == (
    3,
    3,
    1,
  )
  assert (figures['f1'], figures['specificity']) == (33.33, 50.0)
  assert bool(note) == ('note: ' in outcome.table)
  assert note in outcome.table

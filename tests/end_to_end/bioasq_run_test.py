"""BioASQ as a user meets it: raw questions to a submission and its score."""

import json
import pathlib
import subprocess
import sys
from collections import Counter

import pytest

from biobert_jax import errors
from biobert_jax.checkpoints import export, pretrained
from biobert_jax.inference import predict
from biobert_jax.training import evaluate, train
from tests.fixtures import small_bioasq, small_run

ROOT = pathlib.Path(__file__).parents[2]


def command(name: str, *arguments: object) -> dict:
  """Runs a command; the JSON object of its last line."""
  done = subprocess.run(
    [sys.executable, '-m', 'biobert_jax', name, *map(str, arguments)],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
  )
  return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope='module')
def raw(tmp_path_factory):
  path = tmp_path_factory.mktemp('raw') / 'raw.json'
  path.write_text(json.dumps(small_bioasq.raw_bioasq()))
  return path


@pytest.fixture(scope='module')
def prepared(raw):
  """The same questions as train and as test; and what was counted."""
  folder = raw.parent / 'prepared'
  counts = {}
  for split, more in (('train', ['--devel', '0']), ('test', [])):
    done = command(
      'prepare-bioasq',
      *('--input', raw, '--output', folder, '--split', split, *more),
    )
    counts |= done['counts']
  return folder, counts


@pytest.fixture(scope='module')
def trained(prepared, tmp_path_factory):
  """Work folders: of spans, and of yes/no, which goes on from these."""
  folder, _ = prepared
  runs = tmp_path_factory.mktemp('runs')
  steep = {
    'train__steps': 80,
    'optim__learning_rate': 5e-3,
    'model__hidden_dropout_prob': 0.0,
    'model__attention_probs_dropout_prob': 0.0,
  }
  factoid = small_run.bioasq(
    'qa_bioasq_7b_factoid', str(folder / 'factoid'), **steep
  )
  train.train(factoid, str(runs / 'factoid'))
  yes_no = small_run.bioasq(
    'qa_bioasq_7b_yes_no',
    str(folder / 'yesno'),
    init_from=str(runs / 'factoid'),
    **steep,
  )
  report = train.train(yes_no, str(runs / 'yesno'))
  assert report['results']['test']['accuracy'] == 1.0  # The verb tells.
  return runs


@pytest.fixture(scope='module')
def predicted(prepared, trained):
  """Files of predictions, of all three types."""
  folder, _ = prepared
  paths = []
  for type_, model, form in (
    ('factoid', 'factoid', 'nbest'),
    ('list', 'factoid', 'nbest'),
    ('yesno', 'yesno', 'json'),
  ):
    output = trained / f'{type_}.json'
    source = folder / type_ / 'test.json'
    predict.predict(str(trained / model), str(source), str(output), form)
    paths.append(output)
  return paths


def test_no_question_is_lost_without_count(raw, prepared):
  folder, counts = prepared
  questions = json.loads(raw.read_text())['questions']
  types = Counter(question['type'] for question in questions)
  assert counts['reading']['questions'] == len(questions) == 19
  assert counts['reading']['questions_of_other_types'] == types['summary']
  for type_ in ('factoid', 'list', 'yesno'):
    for split in ('train', 'test'):
      found = counts[f'{type_} {split}']
      lost = sum(
        found.get(f'questions_{why}', 0)
        for why in ('without_passage', 'without_exact_answer', 'unanswerable')
      )
      assert found['questions_written'] + lost == types[type_]
      text = (folder / type_ / f'{split}.json').read_text()
      (article,) = json.loads(text)['data']
      assert len(article['paragraphs']) == found['rows']


def test_a_submission_is_scored(raw, predicted, tmp_path):
  output = tmp_path / 'submission.json'
  done = command(
    'prepare-submission',
    *('--questions', raw, '--output', output, '--predictions', *predicted),
  )
  assert done['counts']['factoid_questions'] == 6
  assert 'factoid_questions_without_answer' not in done['counts']
  rows = json.loads(output.read_text())['questions']
  assert len(rows) == 19
  for row in rows:
    if row['type'] == 'factoid':
      assert 0 < len(row['exact_answer']) <= 5
    if row['type'] == 'list':
      assert 0 < len(row['exact_answer']) <= 2  # Its question says two.
  figures = command('score', 'bioasq', raw, output)
  assert figures['yesno_accuracy'] == figures['yesno_macro_f1'] == 1.0
  assert figures['factoid_lenient_accuracy'] >= 0.5  # Seen in training.
  assert figures['answered'] == {
    **figures['questions'],
    'summary': 0,
  }


def test_every_answer_stands_in_its_passage(prepared, predicted):
  folder, _ = prepared
  for type_, path in zip(('factoid', 'list'), predicted, strict=False):
    (article,) = json.loads((folder / type_ / 'test.json').read_text())['data']
    contexts = {
      row['id']: paragraph['context']
      for paragraph in article['paragraphs']
      for row in paragraph['qas']
    }
    nbest = json.loads(path.read_text())
    assert nbest.keys() == contexts.keys()
    for id_, guesses in nbest.items():
      for guess in guesses:
        start, end = guess['start'], guess['end']
        assert guess['text'] == contexts[id_][start:end]


def test_evaluate_agrees_with_the_score_of_what_was_predicted(
  prepared, trained, predicted
):
  folder, _ = prepared
  workdir = trained / 'yesno'
  figures = evaluate.evaluate(str(workdir), 'test', str(folder / 'yesno'))
  report = json.loads((workdir / 'results.json').read_text())
  assert figures.items() >= report['results']['test'].items()
  own = json.loads((workdir / 'predictions_test.json').read_text())
  assert own == json.loads(predicted[2].read_text())


@pytest.mark.parametrize('form', sorted(export.FORMATS))
def test_every_export_answers_alike(form, prepared, trained, tmp_path):
  model = pretrained.load_pretrained(trained / 'yesno')
  assert model.head == 'yes_no'
  export.export(model, form, str(tmp_path / form))
  source = prepared[0] / 'yesno' / 'test.json'
  answers = []
  for number, path in enumerate((trained / 'yesno', tmp_path / form)):
    output = tmp_path / f'{number}.jsonl'
    done = predict.predict(str(path), str(source), str(output))
    assert (done['questions'], done['passages']) == (6, 12)
    lines = output.read_text().splitlines()
    answers.append([json.loads(line) for line in lines])
  assert [a['answer'] for a in answers[0]] == [a['answer'] for a in answers[1]]
  for one, other in zip(*answers, strict=True):
    assert one['probabilities']['yes'] == pytest.approx(
      other['probabilities']['yes'], abs=2e-3
    )


def test_pubmedqa_from_its_file_to_its_score(tmp_path):
  """The three heads of a verb; predict reads the published file too."""
  folder = small_bioasq.write_pubmedqa(tmp_path / 'pubmedqa')
  config = small_run.yes_no(
    str(folder),
    train__steps=100,
    train__checkpoint_every_steps=100,
    optim__learning_rate=1e-2,
  )
  report = train.train(config, str(tmp_path / 'run'))
  gold = {
    id_: record['final_decision']
    for id_, record in small_bioasq.pubmedqa_records().items()
  }
  own = json.loads((tmp_path / 'run' / 'predictions_test.json').read_text())
  test = tmp_path / 'gold.json'
  test.write_text(json.dumps({id_: gold[id_] for id_ in own}))
  scored = command(
    'score', 'pubmedqa', test, tmp_path / 'run' / 'predictions_test.json'
  )
  figures = report['results']['test']
  assert scored['accuracy'] == figures['accuracy'] > 0.5
  assert scored['macro_f1'] == figures['macro_f1']
  output = tmp_path / 'all.json'
  source = folder / 'ori_pqal.json'
  predict.predict(str(tmp_path / 'run'), str(source), str(output), 'json')
  everything = json.loads(output.read_text())
  assert everything.keys() == gold.keys()
  assert {id_: everything[id_] for id_ in own} == own
  with pytest.raises(errors.InputError, match="--format is 'brat'; of yes/no"):
    predict.predict(str(tmp_path / 'run'), str(source), str(output), 'brat')

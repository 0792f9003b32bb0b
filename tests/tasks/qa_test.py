"""The loss of windows, however packed; answers, scores, files."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biobert_jax.data.qa.features import END, START
from biobert_jax.errors import InputError
from biobert_jax.models.config import BertConfig
from biobert_jax.tasks import qa
from biobert_jax.text.vocabulary import SPECIALS
from biobert_jax.text.wordpiece import WordPieceTokenizer
from biobert_jax.training import experiment
from tests.fixtures import small_questions, small_run

LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
PIECES = (*SPECIALS, *LETTERS, *('##' + c for c in LETTERS), '?', ',', '.')
TOKENIZER = WordPieceTokenizer(PIECES, False)
BERT = BertConfig(
  vocab_size=len(PIECES),
  hidden_size=16,
  num_hidden_layers=2,
  num_attention_heads=2,
  intermediate_size=32,
  initializer_range=0.5,  # So that pieces differ at once.
)


@pytest.fixture(scope='module')
def corpora(tmp_path_factory):
  folder = tmp_path_factory.mktemp('corpora')
  return {
    version: small_questions.write(folder / version, version)
    for version in ('1.1', '2.0')
  }


def dataset_of(corpora, version='1.1', **overrides):
  config = small_run.qa(str(corpora[version]), version, **overrides)
  experiment.validate(config)
  return qa.dataset_of(config, TOKENIZER)


def outputs_of(dataset, split, sharp=9.0):
  """Logits that point at the gold answers, or at [CLS]."""
  for batch in dataset.rows(split).eval_batches(4):
    labels = np.maximum(batch['labels'], 0)
    yield (
      batch,
      {
        'start_logit': sharp * (labels & START > 0).astype(np.float32),
        'end_logit': sharp * (labels & END > 0).astype(np.float32),
      },
    )


# The pure half.


def test_packing_changes_neither_loss_nor_logits(corpora):
  """Nor does it matter what shares a row: windows do not see each other."""
  task = qa.make_task(BERT, max_sequences=3)
  params = task.init(jax.random.key(0))

  @jax.jit
  def run(features):
    logits = task.apply(params, features)
    sums, weights = task.sums(logits, features), task.normalizers(features)
    return sums, weights, task.predict(logits, features)

  logits, means, sizes, packed = [], [], [], []
  for pack, most in ((True, 3), (False, 3), (True, 2)):
    options = {'data__pack': pack, 'data__max_sequences': most}
    dataset = dataset_of(corpora, data__max_seq_length=192, **options)
    rows = dataset.rows('train')
    outputs, totals, weight = [], {}, {}
    for batch in rows.eval_batches(16):
      features = {n: jnp.asarray(batch[n]) for n in rows.feature_shapes(16)}
      sums, weights, predicted = jax.device_get(run(features))
      for name in sums:
        totals[name] = totals.get(name, 0.0) + sums[name]
        weight[name] = weight.get(name, 0.0) + weights[name]
      outputs.append((batch, predicted))
    assert weight['loss'] == len(rows.windows.lengths)
    logits.append(qa.merge(iter(outputs), rows.windows.num_words))
    means.append([totals[n] / weight[n] for n in sorted(totals)])
    sizes.append(rows.num_rows)
    packed.append(rows)
  rows = packed[0]
  assert sizes[0] < sizes[2] < sizes[1] == len(rows.windows.lengths)
  for other, mean in zip(logits, means, strict=True):
    np.testing.assert_allclose(other, logits[0], atol=1e-5)
    np.testing.assert_allclose(mean, means[0], rtol=1e-5)
  # The mean over windows of half of both cross-entropies, window by window.
  exact = np.asarray(logits[0], np.float64)
  expected = []
  for begin, end in zip(
    rows.windows.offsets, rows.windows.offsets[1:], strict=False
  ):
    for own, bit in zip(exact[:, begin:end], (START, END), strict=True):
      (place,) = np.flatnonzero(rows.labels[begin:end] & bit)
      expected.append(np.log(np.exp(own).sum()) - own[place])
  assert means[0][1] == pytest.approx(np.mean(expected), rel=1e-5)
  assert 0 <= means[0][0] < 1
  assert np.ptp(exact[0]) > 0.1


# The host's half.


@pytest.mark.parametrize('version', ['1.1', '2.0'])
def test_perfect_outputs_score_100(corpora, version):
  dataset = dataset_of(corpora, version)
  scored = dataset.score('test', outputs_of(dataset, 'test'))
  assert scored.metrics['f1'] == scored.selection == 100.0
  exact = {'1.1': 'exact_match', '2.0': 'exact'}[version]
  assert scored.metrics[exact] == 100.0
  assert scored.metrics['questions'] == {'1.1': 18, '2.0': 24}[version]
  assert scored.metrics['questions_without_gold'] == 0
  assert scored.files['errors_test.tsv'].count('\n') == 1
  assert ('null_odds_test.json' in scored.files) == (version == '2.0')
  nbest = json.loads(scored.files['nbest_predictions_test.json'])
  contexts = {q.id: q.context for q in dataset.examples['test']}
  assert nbest.keys() == contexts.keys()
  for id_, candidates in nbest.items():
    for one in candidates:
      assert contexts[id_][one['start'] : one['end']] == one['text']


def test_mistakes_are_listed_the_most_confident_first(corpora):
  dataset = dataset_of(corpora)
  outputs = []
  for batch, predicted in outputs_of(dataset, 'test', 2.0):
    swapped = {
      'start_logit': predicted['start_logit'],
      'end_logit': np.roll(predicted['end_logit'], 1, axis=1),
    }
    outputs.append((batch, swapped))
  scored = dataset.score('test', iter(outputs))
  assert scored.selection < 100
  head, *rows = [
    line.split('\t') for line in scored.files['errors_test.tsv'].splitlines()
  ]
  assert head[:5] == ['id', 'f1', 'probability', 'predicted', 'gold']
  said = json.loads(scored.files['predictions_test.json'])
  assert rows
  for row in rows:
    assert len(row) == len(head)
    assert row[3] == said[row[0]] != row[4]
    assert row[6] == 'test.json'
    assert f'(id {row[0]})' in row[7]
  sure = [float(row[2]) for row in rows]
  assert sure == sorted(sure, reverse=True)


def test_long_passages_are_windows_and_lose_nothing(corpora):
  """The same answers out of rows too short for a passage."""
  dataset = dataset_of(
    corpora,
    data__max_seq_length=40,
    data__max_question_length=20,
    data__doc_stride=9,
  )
  rows = dataset.rows('test')
  assert dataset.counts['questions_split'] == 18
  assert rows.num_rows > 18
  # A window without the answer must not outbid the one that has it.
  outputs = []
  for batch, predicted in outputs_of(dataset, 'test'):
    outputs.append((batch, predicted))
  scored = dataset.score('test', iter(outputs))
  assert json.loads(scored.files['predictions_test.json']) == {
    question.id: question.answers[0].text
    for question in dataset.examples['test']
  }


def test_a_test_without_gold_is_answered_and_not_scored(corpora, tmp_path):
  rows = small_questions.paragraphs(3, 6, '1.1')
  for row in rows:
    for question in row['qas']:
      del question['answers']
  text = small_questions.content_of(rows, '1.1')
  for name in ('train', 'dev'):
    (tmp_path / f'{name}.json').write_text(
      (corpora['1.1'] / f'{name}.json').read_text()
    )
  (tmp_path / 'test.json').write_text(text)
  dataset = dataset_of({'1.1': tmp_path})
  scored = dataset.score('test', outputs_of(dataset, 'test'))
  assert scored.metrics == {'questions': 18, 'questions_without_gold': 18}
  assert len(json.loads(scored.files['predictions_test.json'])) == 18


def test_a_piece_without_logits_is_our_fault(corpora):
  dataset = dataset_of(corpora)
  outputs = list(outputs_of(dataset, 'test'))
  outputs[0][0]['words'][0, 0] = -1
  with pytest.raises(RuntimeError, match='1 tokens of passages got no'):
    dataset.score('test', iter(outputs))


def test_what_reading_noticed_is_kept(corpora):
  dataset = dataset_of(corpora)
  assert dataset.labels == ()
  assert not +dataset.counts
  same = dataset_of(corpora, data__test_files='train.json')
  assert same.counts['test_questions_on_passages_of_train'] == 54
  assert same.sha256 != dataset.sha256
  assert dataset_of(corpora).sha256 == dataset.sha256
  both = dataset_of(corpora, data__train_split='train_dev')
  assert len(both.examples['train_dev']) == 54 + 18


@pytest.mark.parametrize(
  ('overrides', 'message'),
  [
    ({'data__squad_version': '1'}, r"data\.squad_version is '1'"),
    ({'data__max_broken': 1.0}, r'data\.max_broken is 1'),
    ({'data__max_sequences': 0}, r'data\.max_sequences is 0'),
    ({'data__n_best': 0}, r'data\.n_best is 0'),
    ({'data__max_answer_length': 0}, r'data\.max_answer_length is 0'),
    ({'data__doc_stride': 64}, r'data\.doc_stride is 64'),
    ({'data__dir': ''}, r'data\.dir is not set'),
    ({'data__dir': '/no/such'}, '/no/such: no such folder'),
    ({'data__train_files': 'x*'}, r'no file is called x\*; name one of dev'),
    ({'data__devel_split': 'dev'}, "split 'dev'; choose from"),
  ],
)
def test_wrong_values_are_named(corpora, overrides, message):
  with pytest.raises(InputError, match=message) as caught:
    dataset_of(corpora, **overrides)
  assert '\n' not in str(caught.value)

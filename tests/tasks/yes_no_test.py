"""Two heads and one loss; decisions of questions; wrong configs."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biobert_jax.errors import InputError
from biobert_jax.models.config import BertConfig
from biobert_jax.tasks import yes_no
from biobert_jax.tasks.datasets import merge
from biobert_jax.text.vocabulary import SPECIALS
from biobert_jax.text.wordpiece import WordPieceTokenizer
from biobert_jax.training import experiment
from tests.fixtures import small_bioasq, small_run

LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
PIECES = (*SPECIALS, *LETTERS, *('##' + c for c in LETTERS), '?', '.')
TOKENIZER = WordPieceTokenizer(PIECES, False)
BERT = BertConfig(
  vocab_size=len(PIECES),
  hidden_size=16,
  num_hidden_layers=1,
  num_attention_heads=2,
  intermediate_size=32,
  initializer_range=0.5,  # So that pairs differ at once.
)
ONE, TWO = (f'{i:024x}' for i in (1, 2))


@pytest.fixture(scope='module')
def pubmedqa(tmp_path_factory):
  return small_bioasq.write_pubmedqa(tmp_path_factory.mktemp('p') / 'pubmedqa')


@pytest.fixture(scope='module')
def bioasq(tmp_path_factory):
  folder = tmp_path_factory.mktemp('bioasq')
  train = [
    (f'{i:024x}_{n:03d}', 'Is it?', f'It is {i} {n}.', 'yes' if i % 3 else 'no')
    for i in range(9)
    for n in (1, 2)
  ]
  test = [
    (f'{ONE}_001', 'Is it?', 'It is.', 'yes'),
    (f'{ONE}_002', 'Is it?', 'Or not.', 'yes'),
    (f'{TWO}_001', 'Is he?', 'No.', 'no'),
  ]
  for name, pairs in (('train', train), ('test', test)):
    text = json.dumps(small_bioasq.squad_form(pairs))
    (folder / f'{name}.json').write_text(text)
  return folder


def config_of(folder, **overrides):
  changes = {'data__max_seq_length': 128}
  if folder.name != 'pubmedqa':
    changes |= {
      'head': 'yes_no',
      'data__labels': yes_no.YES_NO,
      'data__measure': 'bioasq',
      'data__devel_split': '',
    }
  return small_run.yes_no(str(folder), **(changes | overrides))


def dataset_of(folder, **overrides):
  return yes_no.dataset_of(config_of(folder, **overrides), TOKENIZER)


def outputs(dataset, split, answer):
  """Outputs whose logits are those of a function of the pair's number."""
  for batch in dataset.rows(split).eval_batches(3):
    shape = (*batch['labels'].shape, len(dataset.labels))
    logits = np.full(shape, np.nan, np.float32)
    for place in zip(*np.nonzero(batch['examples'] >= 0), strict=True):
      logits[place] = answer(batch['examples'][place])
    yield batch, {'logits': logits}


# The pure half.


def test_one_logit_is_a_softmax_with_nothing_for_no():
  task = yes_no.make_task(BERT, yes_no.YES_NO, 'yes_no')
  logits = jnp.asarray([[0.3, -2.0, 7.0]])
  batch = {'labels': jnp.asarray([[1, 0, -1]])}
  found = task.sums(logits, batch)
  loss = np.log1p(np.exp(-0.3)) + np.log1p(np.exp(-2.0))
  assert found['loss'] == pytest.approx(loss, rel=1e-5)
  assert found['accuracy'] == 2
  assert task.normalizers(batch)['loss'] == 2
  predicted = task.predict(logits, batch)['logits']
  np.testing.assert_array_equal(predicted[0, :, 0], 0)
  np.testing.assert_array_equal(predicted[0, :, 1], logits[0])


@pytest.mark.parametrize('head', yes_no.HEADS)
def test_segments_and_packing(bioasq, head):
  """Pairs in one row do not see each other; the second segment is told."""
  labels = yes_no.YES_NO
  task = yes_no.make_task(BERT, labels, head)
  params = jax.jit(task.init)(jax.random.key(0))
  run = jax.jit(
    lambda features: task.predict(task.apply(params, features), features)
  )
  found, blind = [], []
  for pack in (True, False):
    rows = dataset_of(bioasq, data__pack=pack).rows('test')
    batches = [*rows.eval_batches(4)]
    for segments, into in ((True, found), (False, blind)):
      done = []
      for batch in batches:
        features = {n: jnp.asarray(batch[n]) for n in rows.feature_shapes(4)}
        if not segments:
          features['segment_ids'] *= 0
        done.append((batch, jax.device_get(run(features))))
      into.append(merge(iter(done), 'logits', 3, 2))
  np.testing.assert_allclose(found[0], found[1], atol=2e-5)
  assert np.abs(found[0] - blind[0]).max() > 1e-3


# The host's half.


def test_the_mean_over_passages_is_scored(bioasq):
  dataset = dataset_of(bioasq)
  logits = [[0.0, -1.0], [0.0, 1.5], [0.0, 0.5]]
  scored = dataset.score('test', outputs(dataset, 'test', lambda i: logits[i]))
  assert scored.metrics['accuracy'] == 0.5
  assert scored.metrics['per_label'] == {'no': 0.0, 'yes': pytest.approx(2 / 3)}
  assert scored.metrics['macro_f1'] == scored.selection == pytest.approx(1 / 3)
  assert (scored.metrics['questions'], scored.metrics['pairs']) == (2, 3)
  answers = json.loads(scored.files['predictions_test.json'])
  assert answers == {ONE: 'yes', TWO: 'yes'}
  assert scored.files['errors_test.tsv'].splitlines()[1].startswith(TWO)
  assert scored.metrics['accuracy_interval_95'] == [0.0, 1.0]


def test_pubmedqa_is_scored_by_its_own_measure(pubmedqa):
  dataset = dataset_of(pubmedqa)
  eye = np.eye(3)
  gold = [pair.label for pair in dataset.examples['test']]
  ids = [dataset.labels.index(label) for label in gold]

  def score():
    found = outputs(dataset, 'test', lambda i: eye[ids[i]])
    return dataset.score('test', found)

  scored = score()
  assert scored.metrics['accuracy'] == scored.metrics['macro_f1'] == 1.0
  ids = [dataset.labels.index('yes')] * len(ids)
  worse = score()
  assert worse.selection == worse.metrics['unrounded']['macro_f1']
  assert worse.metrics['macro_f1'] == round(worse.selection, 6)
  assert worse.metrics['macro_f1'] != worse.selection
  assert set(scored.metrics['per_label']) == {'yes', 'no', 'maybe'}
  assert scored.metrics['questions'] == 50
  assert scored.files['errors_test.tsv'].count('\n') == 1


def test_a_pair_without_a_prediction_is_our_fault(bioasq):
  dataset = dataset_of(bioasq)
  found = list(outputs(dataset, 'test', lambda i: [0.0, 1.0]))
  found[0][0]['examples'][0, 0] = -1
  with pytest.raises(RuntimeError, match='1 sequences got no prediction'):
    dataset.score('test', iter(found))


def test_training_pairs_are_balanced(bioasq):
  """Of 18 pairs, 6 say no."""

  def labels(**overrides):
    dataset = dataset_of(bioasq, **overrides)
    found = [pair.label for pair in dataset.examples['train']]
    left = dataset.counts['train_pairs_left_out_for_balance']
    assert left + len(found) == 18
    return found.count('no'), found.count('yes')

  assert labels() == (6, 12)
  assert labels(data__balance=True) == (6, 6)
  assert labels(data__max_per_label=8) == (6, 8)
  assert labels(data__max_per_label=2) == (2, 2)


def test_the_digest_is_of_what_is_read(bioasq):
  one = dataset_of(bioasq)
  assert dataset_of(bioasq).sha256 == one.sha256
  assert dataset_of(bioasq, data__balance=True).sha256 != one.sha256


@pytest.mark.parametrize(
  ('overrides', 'message'),
  [
    ({'head': 'span'}, "head is 'span'; choose from sequence, yes_no"),
    ({'data__measure': 'f1'}, r"data\.measure is 'f1'"),
    ({'data__reasoning': 'none'}, r"data\.reasoning is 'none'"),
    ({'data__labels': ('yes', 'yes')}, r'data\.labels is'),
    ({'data__labels': ('yes',)}, r'data\.labels is'),
    ({'data__labels': ('yes', 'no')}, r"the head 'yes_no' has \('no', 'yes'\)"),
    (
      {'head': 'sequence', 'data__labels': ('yes', 'no', 'maybe')},
      r'data\.measure=bioasq knows',
    ),
    ({'data__fold': 10}, r'data\.fold is 10; it must lie in 0 to 9'),
    ({'data__max_broken': 1.0}, r'data\.max_broken is 1'),
    ({'data__max_sequences': 0}, r'data\.max_sequences is 0'),
    ({'data__max_per_label': 0}, r'data\.max_per_label is 0'),
    ({'data__dir': ''}, r'data\.dir is not set'),
    ({'data__dir': '/no/such'}, '/no/such: no such folder'),
    ({'data__test_files': 'tset*'}, r'no file is called tset\*'),
    ({'data__max_seq_length': 3}, r'data\.max_seq_length is 3'),
  ],
)
def test_wrong_values_are_named(bioasq, overrides, message):
  config = config_of(bioasq, **overrides)

  def prepare():
    experiment.validate(config)
    yes_no.dataset_of(config, TOKENIZER).rows('train')

  with pytest.raises(InputError, match=message) as caught:
    prepare()
  assert '\n' not in str(caught.value)

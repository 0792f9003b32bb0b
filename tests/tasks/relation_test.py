"""The loss of sentences, however packed; scores, files, hostile corpora."""

import re
import tempfile

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

from biobert_jax.errors import InputError
from biobert_jax.models.config import BertConfig
from biobert_jax.tasks import relation
from biobert_jax.tasks.datasets import merge
from biobert_jax.text.vocabulary import SPECIALS
from biobert_jax.text.wordpiece import WordPieceTokenizer
from biobert_jax.training import experiment
from tests.fixtures import small_relations, small_run

LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
UNUSED = tuple(f'[unused{i}]' for i in range(95, 99))
PIECES = (
  *SPECIALS,
  *UNUSED,
  *LETTERS,
  *('##' + c for c in LETTERS),
  '@',
  '$',
  '.',
)
TOKENIZER = WordPieceTokenizer(PIECES, False)
BERT = BertConfig(
  vocab_size=len(PIECES),
  hidden_size=16,
  num_hidden_layers=1,
  num_attention_heads=2,
  intermediate_size=32,
  initializer_range=0.5,  # So that sentences differ at once.
)


@pytest.fixture(scope='module')
def fold(tmp_path_factory):
  return small_relations.write(tmp_path_factory.mktemp('fold') / '1')


@pytest.fixture(scope='module')
def marked(tmp_path_factory):
  folder = tmp_path_factory.mktemp('marked') / '1'
  return small_relations.write_marked(folder)


def dataset_of(fold, **overrides):
  config = small_run.relation(str(fold), **overrides)
  return relation.dataset_of(config, TOKENIZER)


def predictions(dataset, split, answer):
  """Outputs whose probabilities are those of a function of the example."""
  for batch in dataset.rows(split).eval_batches(3):
    shape = (*batch['labels'].shape, len(dataset.labels))
    probability = np.full(shape, np.nan, np.float32)
    for place in zip(*np.nonzero(batch['examples'] >= 0), strict=True):
      probability[place] = answer(batch['examples'][place])
    yield batch, {'probability': probability}


def gold_of(dataset, split):
  return [example.label for example in dataset.examples[split]]


# The pure half.


def test_packing_changes_neither_loss_nor_probabilities(fold):
  """Nor does it matter what shares a row: sentences do not see each other."""
  task = relation.make_task(BERT, ('0', '1'))
  params = jax.jit(task.init)(jax.random.key(0))
  sentences = small_relations.sentences()

  @jax.jit
  def run(features):
    logits = task.apply(params, features)
    sums, weights = task.sums(logits, features), task.normalizers(features)
    return sums['loss'], weights['loss'], task.predict(logits, features)

  shares, means, sizes = [], [], []
  for pack, most in ((True, 3), (False, 3), (True, 2)):
    options = {'data__pack': pack, 'data__max_sequences': most}
    rows = dataset_of(fold, data__max_seq_length=128, **options).rows('train')
    outputs, total, weight = [], 0.0, 0.0
    for batch in rows.eval_batches(16):
      features = {n: jnp.asarray(batch[n]) for n in rows.feature_shapes(16)}
      loss, count, predicted = jax.device_get(run(features))
      total, weight = total + loss, weight + count
      outputs.append((batch, predicted))
    assert weight == len(sentences)
    shares.append(merge(iter(outputs), 'probability', len(sentences), 2))
    means.append(total / weight)
    sizes.append(rows.num_rows)
  assert sizes[0] < sizes[2] < sizes[1] == len(sentences)
  gold = [int(label) for _, label in sentences]
  picked = -np.log(shares[0][np.arange(len(gold)), gold])
  for other, mean in zip(shares, means, strict=True):
    np.testing.assert_allclose(other, shares[0], atol=2e-6)
    assert mean == pytest.approx(picked.mean(), rel=1e-5)
  assert np.ptp(shares[0][:, 1]) > 0.01


@pytest.mark.parametrize('pooling', ['cls', 'entity_start'])
def test_both_entities_tell_in_either_place(marked, pooling):
  """What is pooled is of each sentence's own, packed or not."""
  task = relation.make_task(BERT, ('0', '1'), pooling)
  params = jax.jit(task.init)(jax.random.key(0))
  run = jax.jit(lambda batch: task.predict(task.apply(params, batch), batch))
  shares = []
  for pack in (True, False):
    options = {'data__pack': pack, 'data__max_seq_length': 128}
    options |= {'data__entities': 'markers', 'data__pooling': pooling}
    rows = dataset_of(marked, **options).rows('train')
    outputs = []
    for batch in rows.eval_batches(16):
      features = {n: jnp.asarray(batch[n]) for n in rows.feature_shapes(16)}
      outputs.append((batch, jax.device_get(run(features))))
    shares.append(merge(iter(outputs), 'probability', 32, 2))
  np.testing.assert_allclose(*shares, atol=2e-6)
  assert np.ptp(shares[0][:, 1]) > 0.01
  assert ('entity_classifier' in params) == (pooling == 'entity_start')


# The host's half.


def test_a_corpus_whose_pairs_are_hidden_has_no_markers(fold, marked):
  where = r'train\.tsv:1: .*data\.entities=anonymised \(32 of 32 rows'
  with pytest.raises(InputError, match=where):
    dataset_of(fold, data__entities='markers')
  with pytest.raises(InputError, match=r'train\.tsv:1: .* no @GENE\$ with'):
    dataset_of(marked)


def test_a_vocabulary_that_is_built_has_the_markers(marked):
  config = small_run.relation(str(marked), data__entities='markers')
  assert set(UNUSED) <= set(relation.tokenizer_of(config).pieces)
  bare = WordPieceTokenizer((*SPECIALS, *LETTERS), False)
  with pytest.raises(InputError, match=r'no token \[unused95\]'):
    relation.dataset_of(config, bare)


def test_perfect_outputs_score_100(fold):
  dataset = dataset_of(fold)
  gold = gold_of(dataset, 'test')
  ids = [dataset.labels.index(label) for label in gold]
  right = np.eye(2)
  scored = dataset.score(
    'test', predictions(dataset, 'test', lambda i: right[ids[i]])
  )
  assert scored.metrics['f1'] == scored.selection == 100.0
  assert scored.metrics['specificity'] == 100.0
  assert scored.metrics['examples'] == len(gold) == 4
  assert scored.files['errors_test.tsv'].count('\n') == 1


def test_files_of_a_split(fold):
  dataset = dataset_of(fold)
  scored = dataset.score(
    'test',
    predictions(dataset, 'test', lambda i: [0.6 + 0.1 * i, 0.4 - 0.1 * i]),
  )
  rows = [
    line.split('\t')
    for line in scored.files['predictions_test.tsv'].splitlines()
  ]
  results = scored.files['test_results.tsv'].splitlines()
  assert [line.split('\t') for line in results] == [r[1:3] for r in rows[1:]]
  gold = gold_of(dataset, 'test')
  assert rows[0] == ['index', '0', '1', 'predicted', 'gold']
  assert rows[1] == ['0', '0.600000', '0.400000', '0', gold[0]]
  assert [row[0] for row in rows[1:]] == ['0', '1', '2', '3']
  assert [row[-1] for row in rows[1:]] == gold
  wrong = [
    line.split('\t') for line in scored.files['errors_test.tsv'].splitlines()
  ]
  lines = [int(row[1]) for row in wrong[1:]]
  # The most confident first, which here are the last.
  missed = [i + 2 for i, label in enumerate(gold) if label == '1']
  assert lines == missed[::-1]
  assert len(lines) > 1
  assert wrong[1][:1] == ['test.tsv']
  assert wrong[1][2:4] == ['1', '0']
  sure = [float(row[4]) for row in wrong[1:]]
  assert sure == sorted(sure, reverse=True)
  assert wrong[1][5] == dataset.examples['test'][lines[0] - 2].text


def test_several_positive_labels_are_averaged(tmp_path):
  """cpr:3 right, cpr:4 missed, cpr:4 taken for cpr:3, one false alarm."""
  gold = ('cpr:3', 'cpr:4', 'cpr:4', 'none', 'none')
  said = ('cpr:3', 'none', 'cpr:3', 'cpr:3', 'none')
  rows = ''.join(f'a @GENE$ b @DISEASE$ {i}\t{g}\n' for i, g in enumerate(gold))
  for split in ('train', 'test'):
    (tmp_path / f'{split}.tsv').write_text(rows)
  options = {'data__labels': (), 'data__negative': 'none'}
  dataset = dataset_of(tmp_path, **options)
  assert dataset.labels == ('none', 'cpr:3', 'cpr:4')
  assert dataset.counts['test_sentences_also_in_train'] == 5
  eye = np.eye(3)
  scored = dataset.score(
    'test',
    predictions(dataset, 'test', lambda i: eye[dataset.labels.index(said[i])]),
  )
  assert scored.metrics['precision'] == 33.33
  assert scored.metrics['recall'] == 33.33
  assert scored.metrics['specificity'] == 50.0
  assert scored.metrics['per_label']['cpr:4']['gold'] == 2


def test_a_sentence_without_a_prediction_is_our_fault(fold):
  dataset = dataset_of(fold)
  outputs = list(predictions(dataset, 'test', lambda i: [0.5, 0.5]))
  outputs[0][0]['examples'][0, 0] = -1
  with pytest.raises(RuntimeError, match='1 sequences got no prediction'):
    dataset.score('test', iter(outputs))


def test_what_reading_noticed_is_kept(fold):
  dataset = dataset_of(fold)
  assert dataset.labels == ('0', '1')
  assert +dataset.counts == {'test_sentences_also_in_train': 3}
  other = dataset_of(fold, data__test_split='')
  assert other.sha256 != dataset.sha256
  assert dataset_of(fold).sha256 == dataset.sha256


@pytest.mark.parametrize(
  ('overrides', 'message'),
  [
    ({'data__labels': ('0', '0')}, r'data\.labels is'),
    ({'data__labels': ('0',)}, r'data\.labels is'),
    ({'data__negative': 'no'}, r"data\.negative is 'no'"),
    ({'data__negative': ''}, r"data\.negative is ''"),
    ({'data__max_broken': 1.0}, r'data\.max_broken is 1'),
    ({'data__max_sequences': 0}, r'data\.max_sequences is 0'),
    ({'data__placeholders': ('@GENE$',)}, r'data\.placeholders is'),
    ({'data__dir': ''}, r'data\.dir is not set'),
    ({'data__entities': 'marker'}, r"data\.entities is 'marker'; choose"),
    ({'data__pooling': 'mean'}, r"data\.pooling is 'mean'; choose from"),
    (
      {'data__entities': 'markers', 'data__markers': ('a',)},
      r'data\.markers is',
    ),
    ({'data__dir': '/no/such'}, '/no/such: no such folder'),
    ({'data__devel_split': 'devel'}, r'dev\.tsv:1: the file holds no sentence'),
    (
      {'data__labels': ('1', '2'), 'data__negative': '2'},
      r'train\.tsv:3: label',
    ),
    ({'data__max_seq_length': 14}, r'data\.max_seq_length is 14; the'),
  ],
)
def test_wrong_values_are_named(fold, overrides, message):
  config = small_run.relation(str(fold), **overrides)

  def prepare():
    experiment.validate(config)
    relation.dataset_of(config, TOKENIZER).rows('train')

  with pytest.raises(InputError, match=message) as caught:
    prepare()
  assert '\n' not in str(caught.value)


_text = st.one_of(
  st.sampled_from(['@GENE$ x @DISEASE$', '"@GENE$ @DISEASE$', '@GENE$ y', '']),
  st.sampled_from(['\u200b', '糖 @GENE$ @DISEASE$', 'w ' * 90 + '@GENE$']),
  st.text(max_size=8),
)
_label = st.sampled_from(['0', '1', '1 ', '2', '', 'label'])
_line = st.one_of(
  st.tuples(_text, _label).map('\t'.join),
  st.tuples(st.sampled_from('ab'), _text, _label).map('\t'.join),
  st.sampled_from(['', ' ', '\t', 'sentence\tlabel', 'index\tsentence\tlabel']),
)
_corpus = st.tuples(
  st.sampled_from(['', '\ufeff']),
  st.lists(_line, max_size=30),
  st.sampled_from(['\n', '\r\n', '\r']),
).map(
  lambda parts: (parts[0] + parts[2].join(parts[1]) + '\n').encode(
    'utf-8', 'surrogatepass'
  )
)


@hypothesis.settings(max_examples=300, deadline=None)
@hypothesis.given(
  st.one_of(_corpus, st.binary(max_size=60)), st.sampled_from([0.01, 0.9])
)
def test_hostile_corpora(hostile, max_broken):
  """One clear error, or one prediction for each sentence that was kept."""
  with tempfile.TemporaryDirectory() as folder:
    train = ''.join(
      '\t'.join(row) + '\n' for row in small_relations.sentences()
    )
    for split, text in (('train', train.encode()), ('test', hostile)):
      with open(f'{folder}/{split}.tsv', 'wb') as file:
        file.write(text)
    refused = ''
    try:
      dataset = dataset_of(folder, data__max_broken=max_broken)
      dataset.rows('test')
    except InputError as error:
      refused = str(error)
    if refused:
      assert re.search(r'test\.tsv:\d+: ', refused), refused
      assert '\n' not in refused
      return
    outputs = predictions(dataset, 'test', lambda i: [0.4, 0.6])
    scored = dataset.score('test', outputs)
  kept = len(dataset.examples['test'])
  lines = scored.files['predictions_test.tsv'].split('\n')
  assert len(lines) == kept + 2
  assert scored.metrics['examples'] == kept > 0

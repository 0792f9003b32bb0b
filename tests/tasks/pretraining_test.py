"""Losses of pre-training, its scores, its vocabulary."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biobert_jax.errors import InputError
from biobert_jax.models.heads import PretrainingLogits
from biobert_jax.preprocessing.token_shards import prepare
from biobert_jax.tasks import pretraining
from biobert_jax.text.vocabulary import SPECIALS
from biobert_jax.text.wordpiece import WordPieceTokenizer
from biobert_jax.training import experiment
from tests.fixtures import small_run
from tests.fixtures.small_task import BERT

PIECES = (*SPECIALS, '[unused1]', 'fever', '##s', 'rash')
TOKENIZER = WordPieceTokenizer(PIECES, False)


def task_of(next_sentence=True):
  return pretraining.make_task(BERT, None, next_sentence)


def numbers():
  """Logits of 2 packed sequences: 3 tokens to predict, 2 pairs, each."""
  draw = np.random.default_rng(0).normal
  logits = PretrainingLogits(
    jnp.asarray(draw(size=(2, 3, 32)), jnp.float32),
    jnp.asarray(draw(size=(2, 2, 2)), jnp.float32),
  )
  batch = {
    'sequence_ids': jnp.asarray([[1, 1, 2, 0], [1, 0, 0, 0]]),
    'masked_ids': jnp.asarray([[4, 7, -1], [9, -1, -1]]),
    'next_sentence_labels': jnp.asarray([[1, 0], [0, -1]]),
  }
  return logits, batch


def cross_entropy(logits, labels):
  logits = np.asarray(logits, np.float64)
  log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
  return -sum(
    log_probs[(*place, label)]
    for place, label in np.ndenumerate(np.asarray(labels))
    if label >= 0
  )


def test_both_losses_are_minimised_and_each_has_its_normalizer():
  task = task_of()
  assert task.losses == ('masked_lm_loss', 'next_sentence_loss')
  logits, batch = numbers()
  sums, normalizers = task.sums(logits, batch), task.normalizers(batch)
  assert {name: float(n) for name, n in normalizers.items()} == {
    'fill': 8,
    'masked_lm_loss': 3,
    'masked_lm_accuracy': 3,
    'next_sentence_loss': 3,
    'next_sentence_accuracy': 3,
  }
  assert sums.keys() == normalizers.keys()
  assert float(sums['fill']) == 4
  np.testing.assert_allclose(
    [sums['masked_lm_loss'], sums['next_sentence_loss']],
    [
      cross_entropy(logits.masked_lm, batch['masked_ids']),
      cross_entropy(logits.next_sentence, batch['next_sentence_labels']),
    ],
    rtol=1e-6,
  )


def test_without_sentence_pairs_there_is_one_loss():
  task = task_of(next_sentence=False)
  assert task.losses == ('masked_lm_loss',)
  logits, batch = numbers()
  names = {'fill', 'masked_lm_loss', 'masked_lm_accuracy'}
  assert task.sums(logits, batch).keys() == names
  assert 'pooler' not in jax.eval_shape(task.init, jax.random.key(0))['bert']


def test_scores_are_means_over_all_batches():
  task = task_of()
  logits, batch = numbers()
  outputs = [({}, jax.device_get(task.predict(logits, batch)))] * 2
  scored = pretraining.score('validation', iter(outputs))
  loss = cross_entropy(logits.masked_lm, batch['masked_ids']) / 3
  assert scored.metrics['masked_lm_loss'] == pytest.approx(loss, abs=1e-5)
  assert scored.metrics['masked_lm_count'] == 6
  assert scored.metrics['next_sentence_count'] == 6
  assert scored.selection == -scored.metrics['masked_lm_loss']
  with pytest.raises(InputError, match='nothing to predict'):
    pretraining.score('validation', iter([]))


def test_special_and_unused_tokens_are_neither_masked_nor_replacements():
  config = small_run.pretraining('corpus')
  masking = pretraining.masking_of(config, TOKENIZER)
  first = PIECES.index('fever')
  assert masking.replacements.tolist() == [first, first + 1, first + 2]
  assert np.flatnonzero(masking.continuations).tolist() == [first + 1]
  assert set(masking.never_masked) == {TOKENIZER.cls_id, TOKENIZER.sep_id}
  bare = WordPieceTokenizer((*SPECIALS, '[unused1]'), False)
  with pytest.raises(InputError, match='nothing but special tokens'):
    pretraining.masking_of(config, bare)


def test_files_of_the_reference_come_masked_and_without_a_vocabulary(tmp_path):
  config = small_run.pretraining(str(tmp_path / 'part-*.tfrecord'))
  for read in (pretraining.tokenizer_of, pretraining.dataset_of):
    # Nothing is there: it is not called TFRecord files.
    with pytest.raises(
      InputError, match=r"\*\.tfrecord': no such folder or file"
    ):
      read(config, *([TOKENIZER] if read is pretraining.dataset_of else []))
  (tmp_path / 'part-0.tfrecord').touch()
  task = pretraining.task_of(config, BERT, (), TOKENIZER)
  batch = {'input_ids': jnp.ones((1, 4))}
  assert task.prepare(batch, jax.random.key(0)) is batch
  with pytest.raises(InputError, match='hold no vocabulary; give'):
    pretraining.tokenizer_of(config)
  with pytest.raises(InputError, match="data.devel_split is 'validation': no"):
    pretraining.dataset_of(config, TOKENIZER)
  config.data.devel_split = ''
  with pytest.raises(InputError, match='no rows; .* by --config.data.dir'):
    pretraining.dataset_of(config, TOKENIZER)


def test_a_corpus_of_single_sentences_warns_when_training_begins(
  tmp_path, caplog
):
  (tmp_path / 'a.txt').write_text('Fever, fever.\n\nRash and so.\n\n' * 20)
  given = [str(tmp_path / 'a.txt')], tmp_path / 'corpus', TOKENIZER
  prepare.prepare(*given, workers=1, num_shards=1, held_out=0.1)
  for next_sentence in (False, True):
    overrides = {'data__next_sentence': next_sentence}
    config = small_run.pretraining(str(tmp_path / 'corpus'), **overrides)
    caplog.clear()
    pretraining.dataset_of(config, TOKENIZER)
    warned = 'train: 100.0 % of the documents have one sentence' in caplog.text
    assert warned == next_sentence
  assert '--config.data.next_sentence=false' in caplog.text


@pytest.mark.parametrize(
  ('overrides', 'message'),
  [
    ({'masking__rate': 1.0}, r'masking\.rate is 1.0; it must lie in \(0, 1\)'),
    ({'masking__max_predictions': 0}, r'masking\.max_predictions is 0'),
    ({'data__short_seq_prob': 1.1}, r'data\.short_seq_prob is 1.1'),
    ({'data__max_pairs': 0}, r'data\.max_pairs is 0; it must be at least 1'),
    ({'data__eval_rows': 0}, r'data\.eval_rows is 0'),
    (
      {'data__dir': ''},
      r'data\.dir is not set; .*`biobert-jax prepare-corpus`',
    ),
  ],
)
def test_wrong_values_are_named(overrides, message):
  config = small_run.pretraining('corpus', **overrides)

  def prepare():
    experiment.validate(config)
    pretraining.dataset_of(config, TOKENIZER)

  with pytest.raises(InputError, match=message) as caught:
    prepare()
  assert '\n' not in str(caught.value)

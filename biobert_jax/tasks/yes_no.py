"""Questions answered by yes, no or maybe: a label for question and passage."""

import functools
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from biobert_jax.data import packing
from biobert_jax.data.packing import PackedRows
from biobert_jax.data.yes_no import answer_aggregation, corpus, pubmedqa
from biobert_jax.data.yes_no import features as yes_no_features
from biobert_jax.data.yes_no.features import QuestionPair
from biobert_jax.errors import (
  COUNT,
  FRACTION,
  InputError,
  Range,
  one_of,
  or_unset,
)
from biobert_jax.metrics import bioasq
from biobert_jax.metrics import pubmedqa as pubmedqa_metrics
from biobert_jax.models.config import BertConfig
from biobert_jax.models.heads import module_of
from biobert_jax.tasks import datasets, losses
from biobert_jax.tasks.task import Arrays, Outputs, Scored, Shapes, Task, merge
from biobert_jax.text.wordpiece import WordPieceTokenizer

HEADS = ('sequence', 'yes_no')
# Labels of the head with one logit, whose 1 means yes.
YES_NO = ('no', 'yes')
PANELS = (
  ('loss (nats per pair)', ('train/loss',)),
  ('dev set, questions (%)', ('devel/accuracy', 'devel/macro_f1')),
  ('learning rate', ('train/learning_rate',)),
)


def make_task(
  bert: BertConfig, labels: tuple[str, ...], head: str = 'sequence'
) -> Task:
  """The compiled part of the task.

  Args:
    bert: architecture of the encoder.
    labels: the answers by id.
    head: one of `HEADS`: a logit for each label from the pooler, or one for
      yes from the last layer's [CLS] (bioasq-biobert run_yesno.py:485).

  Returns:
    The record that `train` and `evaluate` run. Its loss is the mean over the
    pairs of the global batch, however they are packed; with one logit, the
    cross-entropy of its sigmoid.
  """

  def label_logits(outputs: jax.Array) -> jax.Array:
    return outputs if head == 'sequence' else with_no(outputs)

  def sums(outputs: jax.Array, batch: Arrays) -> Arrays:
    return losses.classification_sums(label_logits(outputs), batch)

  def predict(outputs: jax.Array, batch: Arrays) -> Arrays:
    del batch
    return {'logits': label_logits(outputs)}

  return Task(
    'yes_no',
    module_of(head, bert, len(labels)),
    ('loss',),
    losses.classification_normalizers,
    sums,
    predict,
  )


def with_no(yes: jax.Array) -> jax.Array:
  """One logit as those of `YES_NO`: the sigmoid is their softmax."""
  return jnp.stack([jnp.zeros_like(yes), yes], axis=-1)


def validate(config: ConfigDict) -> None:
  """Checks that labels, head and measure fit together.

  Raises:
    InputError: names the key, its value and the remedy.
  """
  data, labels = config.data, tuple(config.data.labels)
  if len(set(labels)) != len(labels) or len(labels) < 2:
    raise InputError(f'data.labels is {labels}; name two or more, each once')
  if config.head == 'yes_no' and labels != YES_NO:
    raise InputError(
      f"data.labels is {labels}; the head 'yes_no' has {YES_NO}: name these, "
      'or set --config.head=sequence'
    )
  scored = {'bioasq': YES_NO, 'pubmedqa': pubmedqa_metrics.LABELS}[data.measure]
  if not set(labels) <= set(scored):
    raise InputError(
      f'data.labels is {labels}; data.measure={data.measure} knows {scored}'
    )


def task_of(
  config: ConfigDict,
  bert: BertConfig,
  labels: tuple[str, ...],
  tokenizer: WordPieceTokenizer,
) -> Task:
  """The task of a config; see `make_task`."""
  del tokenizer
  return make_task(bert, labels, config.head)


def tokenizer_of(config: ConfigDict) -> WordPieceTokenizer:
  """A tokenizer with a vocabulary of the training split's words."""
  pairs = _read(config, config.data.train_split, Counter())
  texts = [text for pair in pairs for text in (pair.question, pair.passage)]
  return datasets.build_tokenizer(config, texts)


def shapes_of(config: ConfigDict, batch_size: int) -> Shapes:
  """Shapes of a batch's device arrays, without reading the corpus."""
  data = config.data
  return packing.feature_shapes(
    batch_size, data.max_seq_length, data.max_sequences
  )


class YesNoDataset:
  """The corpus of a config: batches to train on, outputs to score."""

  def __init__(
    self,
    config: ConfigDict,
    tokenizer: WordPieceTokenizer,
    labels: tuple[str, ...] | None = None,
    splits: tuple[str, ...] = (),
  ):
    """Reads and checks splits; see `TaskModule.dataset_of`.

    The labels are always those of the config.
    """
    del labels
    self.counts: Counter[str] = Counter()
    self.labels = tuple(config.data.labels)
    self._config, self._tokenizer = config, tokenizer
    self._pairs: dict[str, list[QuestionPair]] = {}
    for split in splits or datasets.named_splits(config):
      pairs = _read(config, split, self.counts)
      corpus.check_labelled(pairs, split)
      corpus.check_agreement(pairs)
      if split == config.data.train_split:
        pairs = self._balanced(pairs)
      self._pairs[split] = pairs
    self.sha256 = datasets.digest(
      {
        split: [
          json.dumps((pair.id, pair.question, pair.passage, pair.label))
          for pair in pairs
        ]
        for split, pairs in self._pairs.items()
      }
    )
    self.rows = functools.cache(self._rows)

  def _balanced(self, pairs: list[QuestionPair]) -> list[QuestionPair]:
    """Training pairs, within `data.balance` and `data.max_per_label`."""
    data = self._config.data
    sizes = Counter(pair.label for pair in pairs)
    most = data.max_per_label or max(sizes.values())
    if data.balance:
      most = min(most, *sizes.values())
    kept = corpus.balanced(pairs, most, self._config.seed)
    left_out = len(pairs) - len(kept)
    self.counts[f'{data.train_split}_pairs_left_out_for_balance'] = left_out
    return kept

  def _rows(self, split: str) -> PackedRows:
    """Packs a split; see `Dataset.rows`."""
    pairs, data = self._pairs[split], self._config.data
    windows = yes_no_features.encode(
      pairs,
      self._tokenizer,
      max_seq_length=data.max_seq_length,
      counts=self.counts,
    )
    rows = PackedRows(
      windows,
      datasets.label_ids((pair.label for pair in pairs), self.labels),
      max_seq_length=data.max_seq_length,
      max_sequences=data.max_sequences,
      per_sequence=True,
      pack=data.pack,
      seed=self._config.seed,
    )
    contents = f'{len(pairs)} pairs, {len(windows.input_ids)} tokens'
    datasets.log_packing(split, contents, rows)
    return rows

  def score(self, split: str, outputs: Outputs) -> Scored:
    """The official metrics; the predictions; the list of errors."""
    pairs = self._pairs[split]
    logits = merge(outputs, 'logits', len(pairs), len(self.labels))
    answers = answer_aggregation.aggregate(pairs, logits, self.labels)
    gold = {pair.question_id: pair.label for pair in pairs}
    metrics = MEASURES[self._config.data.measure](gold, answers)
    metrics['pairs'] = len(pairs)
    files = {
      f'predictions_{split}.json': answer_aggregation.answers_json(answers),
      f'predictions_{split}.tsv': answer_aggregation.predictions(
        answers, gold, self.labels
      ),
      f'errors_{split}.tsv': answer_aggregation.mistakes(answers, gold, pairs),
    }
    return Scored(metrics, metrics['macro_f1'], files)


dataset_of = YesNoDataset


def _as_pubmedqa(
  gold: Mapping[str, str], answers: Mapping[str, answer_aggregation.YesNoAnswer]
) -> dict[str, Any]:
  report = pubmedqa_metrics.evaluate(
    list(gold.values()),
    [answers[id_].label for id_ in gold],
    bootstrap=datasets.BOOTSTRAP,
  )
  return pubmedqa_metrics.as_dict(report)


def _as_bioasq(
  gold: Mapping[str, str], answers: Mapping[str, answer_aggregation.YesNoAnswer]
) -> dict[str, Any]:
  """BioASQ's metrics of yes/no questions, under the names of PubMedQA's."""
  report = bioasq.evaluate(
    {id_: bioasq.Question('yesno', label) for id_, label in gold.items()},
    {id_: decision.label for id_, decision in answers.items()},
    bootstrap=datasets.BOOTSTRAP,
  )
  named = bioasq.as_dict(report)
  intervals = named['intervals_95'] or {}
  return {
    'accuracy': named['yesno_accuracy'],
    'macro_f1': named['yesno_macro_f1'],
    'per_label': {label: named[f'yesno_f1_{label}'] for label in YES_NO},
    'accuracy_interval_95': intervals.get('yesno_accuracy'),
    'macro_f1_interval_95': intervals.get('yesno_macro_f1'),
    'questions': len(gold),
  }


MEASURES = {'pubmedqa': _as_pubmedqa, 'bioasq': _as_bioasq}


RANGES = {
  'head': one_of(HEADS),
  'data.measure': one_of(MEASURES),
  'data.reasoning': one_of(pubmedqa.REASONING),
  'data.fold': Range(
    lambda x: 0 <= x < pubmedqa.FOLDS,
    f'it must lie in 0 to {pubmedqa.FOLDS - 1}',
  ),
  'data.max_broken': FRACTION,
  'data.max_sequences': COUNT,
  'data.max_per_label': or_unset(COUNT),
}


def _read(
  config: ConfigDict, split: str, counts: Counter[str]
) -> list[QuestionPair]:
  data, folder = config.data, datasets.data_folder(config)
  form = corpus.YesNoRules(
    tuple(data.labels), data.reasoning, data.fold, data.max_broken
  )
  files = {s: data[f'{s}_files'] for s in ('train', 'devel', 'test')}
  return corpus.read_split(folder, split, files, counts, form)

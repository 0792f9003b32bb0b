"""Questions answered by yes, no or maybe: a label for question and passage."""

import functools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from biobert_jax import errors
from biobert_jax.data.packing import PackedRows
from biobert_jax.data.yes_no import answer_aggregation, corpus, pubmedqa
from biobert_jax.data.yes_no import features as yes_no_features
from biobert_jax.data.yes_no.features import QuestionPair
from biobert_jax.metrics import bioasq
from biobert_jax.metrics import pubmedqa as pubmedqa_metrics
from biobert_jax.models.config import BertConfig
from biobert_jax.models.heads import module_of
from biobert_jax.tasks import datasets, losses
from biobert_jax.tasks.task import Arrays, Dataset, Names, Outputs, Scored, Task
from biobert_jax.text.wordpiece import WordPieceTokenizer

HEADS = ('sequence', 'yes_no')
shapes_of = datasets.sequence_shapes
# Labels of the head with one logit, whose 1 means yes.
YES_NO = ('no', 'yes')
PANELS = (
  ('loss (nats per pair)', ('train/loss',)),
  ('dev set, questions (%)', ('devel/accuracy', 'devel/macro_f1')),
)


def make_task(bert: BertConfig, labels: Names, head: str = 'sequence') -> Task:
  """The compiled part of the task.

  Its loss is the mean over the pairs of the global batch, however they are
  packed; with one logit, the cross-entropy of its sigmoid. `HEADS` have a logit
  for each label from the pooler, or one for yes from the last layer's [CLS]
  (bioasq-biobert run_yesno.py:485).
  """

  def label_logits(outputs: jax.Array) -> jax.Array:
    if head == 'sequence':
      return outputs
    # The sigmoid of one logit is the softmax of both.
    return jnp.stack([jnp.zeros_like(outputs), outputs], axis=-1)

  def sums(outputs: jax.Array, batch: Arrays) -> Arrays:
    return losses.classification_sums(label_logits(outputs), batch)

  def predict(outputs: jax.Array, _: Arrays) -> Arrays:
    return {'logits': label_logits(outputs)}

  return Task(module_of(head, bert, len(labels)), predict, sums)


def validate(config: ConfigDict) -> None:
  """Checks that labels, head and measure fit together."""
  data, labels = config.data, tuple(config.data.labels)
  if len(set(labels)) != len(labels) or len(labels) < 2:
    what = f'data.labels is {labels}; name two or more, each once'
    raise errors.InputError(what)
  if config.head == 'yes_no' and labels != YES_NO:
    raise errors.InputError(
      f"data.labels is {labels}; the head 'yes_no' has {YES_NO}: name these, "
      'or set --config.head=sequence'
    )
  scored = {'bioasq': YES_NO, 'pubmedqa': pubmedqa_metrics.LABELS}[data.measure]
  if not set(labels) <= set(scored):
    raise errors.InputError(
      f'data.labels is {labels}; data.measure={data.measure} knows {scored}'
    )


def task_of(
  config: ConfigDict,
  bert: BertConfig,
  labels: Names,
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


def dataset_of(
  config: ConfigDict,
  tokenizer: WordPieceTokenizer,
  labels: Names | None = None,
  splits: Names = (),
) -> Dataset:
  """Reads and checks splits; see `TaskModule.dataset_of`."""
  del labels  # They are always those of the config.
  data = config.data
  names = tuple(data.labels)
  examples, counts = datasets.read_splits(config, splits, _read_balanced)

  def rows(split: str) -> PackedRows:
    pairs = examples[split]
    windows = yes_no_features.encode(
      pairs, tokenizer, max_seq_length=data.max_seq_length, counts=counts
    )
    return datasets.pack(
      *(config, split),
      f'{len(pairs)} pairs, {len(windows.input_ids)} tokens',
      windows,
      datasets.label_ids((pair.label for pair in pairs), names),
      max_sequences=data.max_sequences,
      per_sequence=True,
    )

  def score(split: str, outputs: Outputs) -> Scored:
    return _score(data.measure, split, examples[split], names, outputs)

  sha256 = datasets.digest(examples, _records)
  return Dataset(names, examples, counts, sha256, functools.cache(rows), score)


def _records(pairs: Sequence[QuestionPair]) -> Iterator[str]:
  for pair in pairs:
    yield json.dumps((pair.id, pair.question, pair.passage, pair.label))


def _read_balanced(
  config: ConfigDict, split: str, counts: Counter[str]
) -> list[QuestionPair]:
  """A split; the training one within `data.balance` and `max_per_label`."""
  data, pairs = config.data, _read(config, split, counts)
  corpus.check_labelled(pairs, split)
  corpus.check_agreement(pairs)
  if split != data.train_split:
    return pairs
  sizes = Counter(pair.label for pair in pairs)
  most = data.max_per_label or max(sizes.values())
  if data.balance:
    most = min(most, *sizes.values())
  kept = corpus.balanced(pairs, most, config.seed)
  counts[f'{split}_pairs_left_out_for_balance'] = len(pairs) - len(kept)
  return kept


def _score(
  measure: str,
  split: str,
  pairs: Sequence[QuestionPair],
  labels: Names,
  outputs: Outputs,
) -> Scored:
  logits = datasets.merge(outputs, 'logits', len(pairs), len(labels))
  answers = answer_aggregation.aggregate(pairs, logits, labels)
  gold = {pair.question_id: pair.label for pair in pairs}
  labelled = {id_: answer.label for id_, answer in answers.items()}
  metrics = MEASURES[measure](gold, labelled) | {'pairs': len(pairs)}
  predictions = answer_aggregation.predictions(answers, gold, labels)
  files = {
    f'predictions_{split}.json': answer_aggregation.answers_json(answers),
    f'predictions_{split}.tsv': predictions,
    f'errors_{split}.tsv': answer_aggregation.mistakes(answers, gold, pairs),
  }
  selection = metrics.get('unrounded', metrics)['macro_f1']
  return Scored(metrics, selection, files)


def _as_pubmedqa(
  gold: Mapping[str, str], answers: Mapping[str, str]
) -> dict[str, Any]:
  labels = list(gold.values()), [answers[id_] for id_ in gold]
  report = pubmedqa_metrics.evaluate(*labels, bootstrap=datasets.BOOTSTRAP)
  # What means over seeds and the choice of a checkpoint rest on.
  exact = {'accuracy': report.accuracy, 'macro_f1': report.macro_f1}
  return pubmedqa_metrics.as_dict(report) | {'unrounded': exact}


def _as_bioasq(
  gold: Mapping[str, str], answers: Mapping[str, str]
) -> dict[str, Any]:
  """BioASQ's metrics of yes/no questions, under the names of PubMedQA's."""
  questions = {n: bioasq.Question('yesno', label) for n, label in gold.items()}
  given = (questions, dict(answers))
  report = bioasq.evaluate(*given, bootstrap=datasets.BOOTSTRAP)
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
  'head': errors.one_of(HEADS),
  'data.measure': errors.one_of(MEASURES),
  'data.reasoning': errors.one_of(pubmedqa.REASONING),
  'data.fold': errors.Range(
    lambda x: 0 <= x < pubmedqa.FOLDS,
    f'it must lie in 0 to {pubmedqa.FOLDS - 1}',
  ),
  'data.max_broken': errors.FRACTION,
  'data.max_sequences': errors.COUNT,
  'data.max_per_label': errors.or_unset(errors.COUNT),
}


def _read(
  config: ConfigDict, split: str, counts: Counter[str]
) -> list[QuestionPair]:
  data, folder = config.data, datasets.data_folder(config)
  rules = (tuple(data.labels), data.reasoning, data.fold, data.max_broken)
  files = {s: data[f'{s}_files'] for s in ('train', 'devel', 'test')}
  return corpus.read_split(
    folder, split, files, counts, corpus.YesNoRules(*rules)
  )

"""Questions answered by yes, no or maybe: a label for question and passage."""

import functools
import hashlib
import json
import logging
import pathlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from ml_collections import ConfigDict

from biobert_jax.data import packed_sequences
from biobert_jax.data.packed_sequences import PackedSequences
from biobert_jax.data.yes_no import answer_aggregation, corpus, pubmedqa
from biobert_jax.data.yes_no import features as yes_no_features
from biobert_jax.data.yes_no.features import QuestionPair
from biobert_jax.errors import InputError
from biobert_jax.metrics import bioasq
from biobert_jax.metrics import pubmedqa as pubmedqa_metrics
from biobert_jax.models.config import BertConfig
from biobert_jax.models.heads import SequenceClassifier, YesNoClassifier
from biobert_jax.tasks import losses
from biobert_jax.tasks.task import PIECES, Arrays, Outputs, Scored, Task, merge
from biobert_jax.text.vocabulary import build_vocabulary
from biobert_jax.text.wordpiece import WordPieceTokenizer

_log = logging.getLogger(__name__)
_BOOTSTRAP = 1000
HEADS = ('sequence', 'yes_no')
# Of the head with one logit, whose 1 is yes.
YES_NO = ('no', 'yes')
MEASURES = ('pubmedqa', 'bioasq')
# What `curves.png` shows: (title, figures).
PANELS = (
  ('loss (nats a pair)', ('train/loss',)),
  ('devel, questions (0-1)', ('devel/accuracy', 'devel/macro_f1')),
  ('learning rate', ('train/learning_rate',)),
)


def make_task(
  bert: BertConfig, labels: tuple[str, ...], head: str = 'sequence'
) -> Task:
  """The pure half of the task.

  Args:
    bert: the encoder's architecture.
    labels: the answers by id.
    head: one of `HEADS`: a logit for each label from the pooler, or one for
      yes from the last layer's [CLS] (bioasq-biobert run_yesno.py:485).

  Returns:
    The record that `train` and `evaluate` run. Its loss is the mean over the
    pairs of the global batch, however they are packed; with one logit, the
    cross-entropy of its sigmoid.
  """

  def weights(batch: Arrays) -> Arrays:
    weight = losses.label_weight(batch['labels'])
    return {'loss': weight, 'accuracy': weight}

  def of_labels(outputs: jax.Array) -> jax.Array:
    return outputs if head == 'sequence' else with_no(outputs)

  def sums(outputs: jax.Array, batch: Arrays) -> Arrays:
    logits = of_labels(outputs)
    return {
      'loss': losses.cross_entropy_sum(logits, batch['labels']),
      'accuracy': losses.correct_sum(logits, batch['labels']),
    }

  def predict(outputs: jax.Array, batch: Arrays) -> Arrays:
    del batch
    return {'logits': of_labels(outputs)}

  module: nn.Module = SequenceClassifier(bert, len(labels))
  if head == 'yes_no':
    module = YesNoClassifier(bert)
  inputs = (*PIECES, 'cls_positions')
  return Task('yes_no', module, ('loss',), weights, sums, predict, inputs)


def with_no(yes: jax.Array) -> jax.Array:
  """One logit as those of `YES_NO`: the sigmoid is their softmax."""
  return jnp.stack([jnp.zeros_like(yes), yes], axis=-1)


def validate(config: ConfigDict) -> None:
  """Refuses values of `data` and `head` outside their range.

  Raises:
    InputError: names the key, its value and its range.
  """
  data, labels = config.data, tuple(config.data.labels)
  for key, value, known in (
    ('head', config.head, HEADS),
    ('data.measure', data.measure, MEASURES),
    ('data.reasoning', data.reasoning, pubmedqa.REASONING),
  ):
    if value not in known:
      raise InputError(f'{key} is {value!r}; choose from {", ".join(known)}')
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
  if not 0 <= data.fold < pubmedqa.FOLDS:
    raise InputError(
      f'data.fold is {data.fold}; it must lie in 0 to {pubmedqa.FOLDS - 1}'
    )
  if not 0 <= data.max_broken < 1:
    raise InputError(
      f'data.max_broken is {data.max_broken}; it must lie in [0, 1)'
    )
  for key in ('max_sequences', 'max_per_label'):
    if data[key] is not None and data[key] < 1:
      raise InputError(f'data.{key} is {data[key]}; it must be at least 1')


def task_of(
  config: ConfigDict,
  bert: BertConfig,
  labels: tuple[str, ...],
  tokenizer: WordPieceTokenizer,
) -> Task:
  """The record of an experiment; see `make_task`."""
  del tokenizer
  return make_task(bert, labels, config.head)


def tokenizer_of(config: ConfigDict) -> WordPieceTokenizer:
  """A vocabulary of the training split's words, where none is given."""
  _log.info('no init_from, no vocab.path: building a vocabulary')
  pairs = _read(config, config.data.train_split, Counter())
  lower = bool(config.vocab.do_lower_case)
  texts = [text for pair in pairs for text in (pair.question, pair.passage)]
  pieces = build_vocabulary(texts, config.vocab.size, lower)
  return WordPieceTokenizer(pieces, lower)


def dataset_of(
  config: ConfigDict,
  tokenizer: WordPieceTokenizer,
  labels: tuple[str, ...] | None = None,
  splits: tuple[str, ...] = (),
) -> 'YesNoDataset':
  """The corpus of an experiment."""
  del labels  # Those of the config.
  return YesNoDataset(config, tokenizer, splits)


def shapes_of(
  config: ConfigDict, batch_size: int
) -> dict[str, tuple[int, ...]]:
  """Shapes of a batch, without the corpus that it is drawn from."""
  data = config.data
  return packed_sequences.feature_shapes(
    batch_size, data.max_seq_length, data.max_sequences
  )


class YesNoDataset:
  """The corpus of a config: rows to train on, outputs to score."""

  def __init__(
    self,
    config: ConfigDict,
    tokenizer: WordPieceTokenizer,
    splits: tuple[str, ...] = (),
  ):
    """Reads and checks every split that the run will need.

    Args:
      config: `data` and `seed` of the experiment.
      tokenizer: text to pieces.
      splits: which splits to read; by default all that the config names.

    Raises:
      InputError: with file and id.
    """
    data = config.data
    named = (data.train_split, data.devel_split, data.test_split)
    self.counts: Counter[str] = Counter()
    self.labels = tuple(data.labels)
    self._config, self._tokenizer = config, tokenizer
    self._pairs: dict[str, list[QuestionPair]] = {}
    for split in splits or tuple(filter(None, named)):
      pairs = _read(config, split, self.counts)
      corpus.check_labelled(pairs, split)
      corpus.check_agreement(pairs)
      if split == data.train_split:
        pairs = self._balanced(pairs)
      self._pairs[split] = pairs
    self.sha256 = _digest(self._pairs)
    self.rows = functools.cache(self._rows)

  def _balanced(self, pairs: list[QuestionPair]) -> list[QuestionPair]:
    """The training pairs that `data.balance`, `data.max_per_label` leave."""
    data = self._config.data
    sizes = Counter(pair.label for pair in pairs)
    most = data.max_per_label or max(sizes.values())
    if data.balance:
      most = min(most, *sizes.values())
    kept = corpus.balanced(pairs, most, self._config.seed)
    left_out = len(pairs) - len(kept)
    self.counts[f'{data.train_split}_pairs_left_out_for_balance'] = left_out
    return kept

  def _rows(self, split: str) -> PackedSequences:
    """Packs a split; see `Dataset.rows`."""
    pairs, data = self._pairs[split], self._config.data
    windows = yes_no_features.encode(
      pairs,
      self._tokenizer,
      max_seq_length=data.max_seq_length,
      counts=self.counts,
    )
    ids = {label: i for i, label in enumerate(self.labels)}
    rows = PackedSequences(
      windows,
      np.asarray([ids[pair.label] for pair in pairs], np.int32),
      max_seq_length=data.max_seq_length,
      max_sequences=data.max_sequences,
      pack=data.pack,
      seed=self._config.seed,
    )
    _log.info(
      '%s: %d pairs, %d pieces in %d rows of %d, %.2f %% padding',
      *(split, len(pairs), len(windows.input_ids)),
      *(rows.num_rows, data.max_seq_length, 100 * (1 - rows.fill)),
    )
    return rows

  def score(self, split: str, outputs: Outputs) -> Scored:
    """The official figures; what was predicted; the list of mistakes."""
    pairs = self._pairs[split]
    logits = merge(outputs, 'logits', len(pairs), len(self.labels))
    decided = answer_aggregation.aggregate(pairs, logits, self.labels)
    gold = {pair.question_id: pair.label for pair in pairs}
    figures = _MEASURES[self._config.data.measure](gold, decided)
    figures['pairs'] = len(pairs)
    files = {
      f'predictions_{split}.json': answer_aggregation.answers_json(decided),
      f'predictions_{split}.tsv': answer_aggregation.predictions(
        decided, gold, self.labels
      ),
      f'errors_{split}.tsv': answer_aggregation.mistakes(decided, gold, pairs),
    }
    return Scored(figures, figures['macro_f1'], files)


def _as_pubmedqa(
  gold: Mapping[str, str], decided: Mapping[str, answer_aggregation.YesNoAnswer]
) -> dict[str, Any]:
  report = pubmedqa_metrics.evaluate(
    list(gold.values()),
    [decided[id_].label for id_ in gold],
    bootstrap=_BOOTSTRAP,
  )
  return pubmedqa_metrics.as_dict(report)


def _as_bioasq(
  gold: Mapping[str, str], decided: Mapping[str, answer_aggregation.YesNoAnswer]
) -> dict[str, Any]:
  """BioASQ's figures of yes/no questions, by the names of PubMedQA's."""
  report = bioasq.evaluate(
    {id_: bioasq.Question('yesno', label) for id_, label in gold.items()},
    {id_: decision.label for id_, decision in decided.items()},
    bootstrap=_BOOTSTRAP,
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


_MEASURES = {'pubmedqa': _as_pubmedqa, 'bioasq': _as_bioasq}


def _read(
  config: ConfigDict, split: str, counts: Counter[str]
) -> list[QuestionPair]:
  data = config.data
  if not data.dir:
    raise InputError('data.dir is not set; give --config.data.dir=DIR')
  form = corpus.YesNoRules(
    tuple(data.labels), data.reasoning, data.fold, data.max_broken
  )
  folder = pathlib.Path(data.dir).expanduser()
  files = {s: data[f'{s}_files'] for s in ('train', 'devel', 'test')}
  return corpus.read_split(folder, split, files, counts, form)


def _digest(splits: Mapping[str, Sequence[QuestionPair]]) -> str:
  digest = hashlib.sha256()
  for split, pairs in splits.items():
    digest.update(f'{split}\n'.encode())
    for pair in pairs:
      row = (pair.id, pair.question, pair.passage, pair.label)
      digest.update(json.dumps(row).encode() + b'\n')
  return digest.hexdigest()

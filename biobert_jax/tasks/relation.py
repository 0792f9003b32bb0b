"""Relation extraction: a label for every sentence about a pair of entities."""

import functools
import pathlib
from collections import Counter
from collections.abc import Sequence

import jax
import numpy as np
from ml_collections import ConfigDict

from biobert_jax.data import packing
from biobert_jax.data.packing import PackedRows
from biobert_jax.data.relation import corpus
from biobert_jax.data.relation import features as relation_features
from biobert_jax.data.relation.features import PairForm
from biobert_jax.data.relation.markers import Markers
from biobert_jax.data.relation.placeholders import Placeholders
from biobert_jax.data.splits import count_overlap
from biobert_jax.errors import COUNT, FRACTION, InputError, one_of
from biobert_jax.metrics import relation as metrics
from biobert_jax.models.config import BertConfig
from biobert_jax.models.heads import module_of
from biobert_jax.tasks import datasets, losses
from biobert_jax.tasks.task import Arrays, Outputs, Scored, Shapes, Task, merge
from biobert_jax.text.wordpiece import WordPieceTokenizer

ENTITIES = ('anonymised', 'markers')
# data.pooling -> head.
POOLINGS = {'cls': 'sequence', 'entity_start': 'entity_pair'}
PANELS = (
  ('loss (nats per sentence)', ('train/loss',)),
  ('dev set, relations (%)', ('devel/precision', 'devel/recall', 'devel/f1')),
  ('learning rate', ('train/learning_rate',)),
)
RANGES = {
  'data.entities': one_of(ENTITIES),
  'data.pooling': one_of(POOLINGS),
  'data.max_broken': FRACTION,
  'data.max_sequences': COUNT,
}


def make_task(
  bert: BertConfig, labels: tuple[str, ...], pooling: str = 'cls'
) -> Task:
  """The compiled part of the task.

  Args:
    bert: architecture of the encoder.
    labels: names of the relations by id.
    pooling: a key of `POOLINGS`.

  Returns:
    The record that `train` and `evaluate` run. Its loss is the mean over the
    sentences of the global batch (run_re.py:736), however they are packed.
  """

  def predict(logits: jax.Array, batch: Arrays) -> Arrays:
    del batch
    return {'probability': jax.nn.softmax(logits, axis=-1)}

  return Task(
    'relation',
    module_of(POOLINGS[pooling], bert, len(labels)),
    ('loss',),
    losses.classification_normalizers,
    losses.classification_sums,
    predict,
  )


def validate(config: ConfigDict) -> None:
  """Checks placeholders or markers, and the label of no relation.

  Raises:
    InputError: names the key, its value and the remedy.
  """
  data = config.data
  placeholders_of(config)
  pair_of(config)
  labels = tuple(data.labels)
  if len(set(labels)) != len(labels) or len(labels) == 1:
    raise InputError(
      f'data.labels is {labels}; name two or more, each once, or none to use '
      'those of the training split'
    )
  if not data.negative or (labels and data.negative not in labels):
    raise InputError(
      f'data.negative is {data.negative!r}, which is none of data.labels '
      f'{labels}; name the label of no relation'
    )


def placeholders_of(config: ConfigDict) -> Placeholders:
  """The words that stand for the pair in an experiment's sentences."""
  data = config.data
  return Placeholders.from_config(data.placeholders, data.joint_placeholders)


def pair_of(config: ConfigDict) -> PairForm:
  """How the pair is shown in an experiment's sentences."""
  if config.data.entities == 'markers':
    return Markers.from_config(config.data.markers)
  return placeholders_of(config)


def task_of(
  config: ConfigDict,
  bert: BertConfig,
  labels: tuple[str, ...],
  tokenizer: WordPieceTokenizer,
) -> Task:
  """The task of a config; see `make_task`."""
  del tokenizer
  return make_task(bert, labels, config.data.pooling)


def tokenizer_of(config: ConfigDict) -> WordPieceTokenizer:
  """A tokenizer with a vocabulary of the training split's words."""
  data = config.data
  examples = _read(config, data.train_split, Counter())
  extra = data.markers if data.entities == 'markers' else ()
  texts = [example.text for example in examples]
  return datasets.build_tokenizer(config, texts, extra)


def shapes_of(config: ConfigDict, batch_size: int) -> Shapes:
  """Shapes of a batch's device arrays, without reading the corpus."""
  data = config.data
  return packing.feature_shapes(
    *(batch_size, data.max_seq_length, data.max_sequences),
    starts=data.pooling == 'entity_start',
  )


class RelationDataset:
  """The corpus of a config: batches to train on, outputs to score."""

  def __init__(
    self,
    config: ConfigDict,
    tokenizer: WordPieceTokenizer,
    labels: tuple[str, ...] | None = None,
    splits: tuple[str, ...] = (),
  ):
    """Reads and checks splits; see `TaskModule.dataset_of`."""
    data = config.data
    if data.entities == 'markers':
      Markers.from_config(data.markers).ids(tokenizer)
    self.counts: Counter[str] = Counter()
    self._config, self._tokenizer = config, tokenizer
    self._examples = {
      split: _read(config, split, self.counts)
      for split in splits or datasets.named_splits(config)
    }
    train = self._examples.get(data.train_split)
    labels = labels or tuple(data.labels)
    if not labels:
      if train is None:
        raise ValueError('labels are needed without the training split')
      labels = corpus.label_set(train, data.negative)
    self.labels = labels
    for split, examples in self._examples.items():
      corpus.check_labels(examples, labels, split)
      if train is not None and split == data.test_split:
        texts = [[one.text for one in part] for part in (train, examples)]
        shared = count_overlap(*texts)
        self.counts[f'{split}_sentences_also_in_train'] = shared
    self.sha256 = datasets.digest(
      {
        split: [f'{example.text}\t{example.label}' for example in examples]
        for split, examples in self._examples.items()
      }
    )
    self.rows = functools.cache(self._rows)

  def _rows(self, split: str) -> PackedRows:
    """Packs a split; see `Dataset.rows`."""
    examples, data = self._examples[split], self._config.data
    windows, starts = relation_features.encode(
      [example.text for example in examples],
      self._tokenizer,
      pair_of(self._config),
      max_seq_length=data.max_seq_length,
      counts=self.counts,
    )
    rows = PackedRows(
      windows,
      datasets.label_ids((e.label for e in examples), self.labels),
      max_seq_length=data.max_seq_length,
      max_sequences=data.max_sequences,
      per_sequence=True,
      pack=data.pack,
      seed=self._config.seed,
      starts=starts if data.pooling == 'entity_start' else None,
    )
    contents = f'{len(examples)} sentences, {len(windows.input_ids)} tokens'
    datasets.log_packing(split, contents, rows)
    return rows

  def score(self, split: str, outputs: Outputs) -> Scored:
    """The official metrics; the predictions; the list of errors."""
    examples = self._examples[split]
    probabilities = merge(
      outputs, 'probability', len(examples), len(self.labels)
    )
    predicted = [self.labels[i] for i in probabilities.argmax(axis=1)]
    report = metrics.evaluate(
      [example.label for example in examples],
      predicted,
      self.labels,
      negatives=(self._config.data.negative,),
      bootstrap=datasets.BOOTSTRAP,
    )
    files = {
      f'predictions_{split}.tsv': _predictions(
        examples, self.labels, probabilities, predicted
      ),
      f'errors_{split}.tsv': _errors(examples, probabilities, predicted),
      # In the format of run_re.py, for the reference's own re_eval.py.
      f'{split}_results.tsv': ''.join(
        '\t'.join(f'{p:.6f}' for p in row) + '\n' for row in probabilities
      ),
    }
    return Scored(metrics.as_dict(report), report.overall.f1, files)


dataset_of = RelationDataset


def _read(
  config: ConfigDict, split: str, counts: Counter[str]
) -> list[corpus.Example]:
  data, folder = config.data, datasets.data_folder(config)
  form = corpus.RelationRules(
    pair_of(config), tuple(data.labels), data.max_broken
  )
  return corpus.read_split(folder, split, counts, form)


def _predictions(
  examples: Sequence[corpus.Example],
  labels: Sequence[str],
  probabilities: np.ndarray,
  predicted: Sequence[str],
) -> str:
  """One line per sentence: index, probability of each label, both labels."""
  lines = ['\t'.join(('index', *labels, 'predicted', 'gold'))]
  for example, row, label in zip(
    examples, probabilities, predicted, strict=True
  ):
    cells = (f'{p:.6f}' for p in row)
    lines.append('\t'.join((example.index, *cells, label, example.label)))
  return '\n'.join(lines) + '\n'


def _errors(
  examples: Sequence[corpus.Example],
  probabilities: np.ndarray,
  predicted: Sequence[str],
) -> str:
  """One line per wrong sentence, most confident errors first."""
  lines = ['file\tline\tgold\tpredicted\tprobability\tsentence']
  for i in np.argsort(-probabilities.max(axis=1), kind='stable'):
    example, label = examples[i], predicted[i]
    if label != example.label:
      cells = (
        *(pathlib.Path(example.path).name, str(example.line), example.label),
        *(label, f'{probabilities[i].max():.4f}', example.text),
      )
      lines.append('\t'.join(cells))
  return '\n'.join(lines) + '\n'

"""Relation extraction: a label for every sentence about a pair of entities."""

import functools
import hashlib
import logging
import pathlib
from collections import Counter
from collections.abc import Sequence

import jax
import numpy as np
from ml_collections import ConfigDict

from biobert_jax.data import packed_sequences
from biobert_jax.data.packed_sequences import STARTS, PackedSequences
from biobert_jax.data.relation import corpus
from biobert_jax.data.relation import features as relation_features
from biobert_jax.data.relation.features import PairForm
from biobert_jax.data.relation.markers import Markers
from biobert_jax.data.relation.placeholders import Placeholders
from biobert_jax.errors import InputError
from biobert_jax.metrics import relation as metrics
from biobert_jax.models.config import BertConfig
from biobert_jax.models.heads import module_of
from biobert_jax.tasks import losses
from biobert_jax.tasks.task import PIECES, Arrays, Outputs, Scored, Task, merge
from biobert_jax.text.vocabulary import build_vocabulary
from biobert_jax.text.wordpiece import WordPieceTokenizer

_log = logging.getLogger(__name__)
_BOOTSTRAP = 1000
ENTITIES = ('anonymised', 'markers')
# data.pooling -> the head, and what it reads besides the pieces.
POOLINGS = {
  'cls': ('sequence', ('cls_positions',)),
  'entity_start': ('entity_pair', STARTS),
}
# What `curves.png` shows: (title, figures).
PANELS = (
  ('loss (nats a sentence)', ('train/loss',)),
  ('devel, relations (%)', ('devel/precision', 'devel/recall', 'devel/f1')),
  ('learning rate', ('train/learning_rate',)),
)


def make_task(
  bert: BertConfig, labels: tuple[str, ...], pooling: str = 'cls'
) -> Task:
  """The pure half of the task.

  Args:
    bert: the encoder's architecture.
    labels: names of the relations by id.
    pooling: a key of `POOLINGS`.

  Returns:
    The record that `train` and `evaluate` run. Its loss is the mean over the
    sentences of the global batch (run_re.py:736), however they are packed.
  """

  def weights(batch: Arrays) -> Arrays:
    weight = losses.label_weight(batch['labels'])
    return {'loss': weight, 'accuracy': weight}

  def sums(logits: jax.Array, batch: Arrays) -> Arrays:
    return {
      'loss': losses.cross_entropy_sum(logits, batch['labels']),
      'accuracy': losses.correct_sum(logits, batch['labels']),
    }

  def predict(logits: jax.Array, batch: Arrays) -> Arrays:
    del batch
    return {'probability': jax.nn.softmax(logits, axis=-1)}

  head, places = POOLINGS[pooling]
  module = module_of(head, bert, len(labels))
  inputs = (*PIECES, *places)
  return Task('relation', module, ('loss',), weights, sums, predict, inputs)


def validate(config: ConfigDict) -> None:
  """Refuses values of `data` outside their range.

  Raises:
    InputError: names the key, its value and its range.
  """
  data = config.data
  placeholders_of(config)
  for key, known in (('entities', ENTITIES), ('pooling', tuple(POOLINGS))):
    if data[key] not in known:
      raise InputError(f'data.{key} is {data[key]!r}; choose from {known}')
  pair_of(config)
  labels = tuple(data.labels)
  if len(set(labels)) != len(labels) or len(labels) == 1:
    raise InputError(
      f'data.labels is {labels}; name two or more, each once, or none: those '
      'of the training split'
    )
  if not data.negative or (labels and data.negative not in labels):
    raise InputError(
      f'data.negative is {data.negative!r}, which is none of data.labels '
      f'{labels}; name the label of no relation'
    )
  if not 0 <= data.max_broken < 1:
    raise InputError(
      f'data.max_broken is {data.max_broken}; it must lie in [0, 1)'
    )
  if data.max_sequences < 1:
    raise InputError(
      f'data.max_sequences is {data.max_sequences}; it must be at least 1'
    )


def placeholders_of(config: ConfigDict) -> Placeholders:
  """The words that stand for the pair in an experiment's sentences."""
  data = config.data
  return Placeholders.from_config(data.placeholders, data.joint_placeholders)


def pair_of(config: ConfigDict) -> PairForm:
  """What tells the pair in an experiment's sentences."""
  if config.data.entities == 'markers':
    return Markers.from_config(config.data.markers)
  return placeholders_of(config)


def task_of(
  config: ConfigDict,
  bert: BertConfig,
  labels: tuple[str, ...],
  tokenizer: WordPieceTokenizer,
) -> Task:
  """The record of an experiment; see `make_task`."""
  del tokenizer
  return make_task(bert, labels, config.data.pooling)


def tokenizer_of(config: ConfigDict) -> WordPieceTokenizer:
  """A vocabulary of the training split's words, where none is given."""
  _log.info('no init_from, no vocab.path: building a vocabulary')
  examples = _read(config, config.data.train_split, Counter())
  lower = bool(config.vocab.do_lower_case)
  texts = [example.text for example in examples]
  pieces = build_vocabulary(texts, config.vocab.size, lower)
  if config.data.entities == 'markers':
    spare = [piece for piece in config.data.markers if piece not in pieces]
    pieces = (*pieces, *spare)
  return WordPieceTokenizer(pieces, lower)


def splits_of(config: ConfigDict) -> tuple[str, ...]:
  """The splits that a training run reads: train, then those it scores."""
  data = config.data
  named = (data.train_split, data.devel_split, data.test_split)
  return tuple(split for split in named if split)


def dataset_of(
  config: ConfigDict,
  tokenizer: WordPieceTokenizer,
  labels: tuple[str, ...] | None = None,
  splits: tuple[str, ...] = (),
) -> 'RelationDataset':
  """The corpus of an experiment."""
  return RelationDataset(config, tokenizer, labels, splits)


def shapes_of(
  config: ConfigDict, batch_size: int
) -> dict[str, tuple[int, ...]]:
  """Shapes of a batch, without the corpus that it is drawn from."""
  data = config.data
  return packed_sequences.feature_shapes(
    batch_size,
    data.max_seq_length,
    data.max_sequences,
    data.pooling == 'entity_start',
  )


class RelationDataset:
  """The corpus of a config: rows to train on, outputs to score."""

  def __init__(
    self,
    config: ConfigDict,
    tokenizer: WordPieceTokenizer,
    labels: tuple[str, ...] | None = None,
    splits: tuple[str, ...] = (),
  ):
    """Reads and checks every split that the run will need.

    Args:
      config: `data` and `seed` of the experiment.
      tokenizer: text to pieces.
      labels: names of the relations by id; by default those of the config, or
        else of the training split.
      splits: which splits to read; by default all that the config names.

    Raises:
      InputError: with file and line.
    """
    data = config.data
    if data.entities == 'markers':
      Markers.from_config(data.markers).ids(tokenizer)
    splits = splits or splits_of(config)
    self.counts: Counter[str] = Counter()
    self._config, self._tokenizer = config, tokenizer
    self._examples = {s: _read(config, s, self.counts) for s in splits}
    train = self._examples.get(data.train_split)
    labels = labels or tuple(data.labels)
    if not labels:
      if train is None:
        raise ValueError('labels are needed where the training split is not')
      labels = corpus.label_set(train, data.negative)
    self.labels = labels
    for split, examples in self._examples.items():
      corpus.check_labels(examples, labels, split)
      if train is not None and split == data.test_split:
        shared = corpus.count_overlap(train, examples)
        self.counts[f'{split}_sentences_also_in_train'] = shared
    self.sha256 = _digest(self._examples)
    self.rows = functools.cache(self._rows)

  def _rows(self, split: str) -> PackedSequences:
    """Packs a split; see `Dataset.rows`."""
    examples, data = self._examples[split], self._config.data
    windows, starts = relation_features.encode(
      [example.text for example in examples],
      self._tokenizer,
      pair_of(self._config),
      max_seq_length=data.max_seq_length,
      counts=self.counts,
    )
    ids = {label: i for i, label in enumerate(self.labels)}
    rows = PackedSequences(
      windows,
      np.asarray([ids[example.label] for example in examples], np.int32),
      max_seq_length=data.max_seq_length,
      max_sequences=data.max_sequences,
      pack=data.pack,
      seed=self._config.seed,
      starts=starts if data.pooling == 'entity_start' else None,
    )
    _log.info(
      '%s: %d sentences, %d pieces in %d rows of %d, %.2f %% padding',
      *(split, len(examples), len(windows.input_ids)),
      *(rows.num_rows, data.max_seq_length, 100 * (1 - rows.fill)),
    )
    return rows

  def score(self, split: str, outputs: Outputs) -> Scored:
    """The official figures; what was predicted; the list of mistakes."""
    examples = self._examples[split]
    shares = merge(outputs, 'probability', len(examples), len(self.labels))
    predicted = [self.labels[i] for i in shares.argmax(axis=1)]
    report = metrics.evaluate(
      [example.label for example in examples],
      predicted,
      self.labels,
      negatives=(self._config.data.negative,),
      bootstrap=_BOOTSTRAP,
    )
    files = {
      f'predictions_{split}.tsv': _predictions(
        examples, self.labels, shares, predicted
      ),
      f'errors_{split}.tsv': _mistakes(examples, shares, predicted),
      # As run_re.py writes them, for the reference's own re_eval.py.
      f'{split}_results.tsv': ''.join(
        '\t'.join(f'{share:.6f}' for share in row) + '\n' for row in shares
      ),
    }
    return Scored(metrics.as_dict(report), report.overall.f1, files)


def _read(
  config: ConfigDict, split: str, counts: Counter[str]
) -> list[corpus.Example]:
  data = config.data
  if not data.dir:
    raise InputError('data.dir is not set; give --config.data.dir=DIR')
  form = corpus.RelationRules(
    pair_of(config), tuple(data.labels), data.max_broken
  )
  folder = pathlib.Path(data.dir).expanduser()
  return corpus.read_split(folder, split, counts, form)


def _digest(splits: dict[str, list[corpus.Example]]) -> str:
  digest = hashlib.sha256()
  for split, examples in splits.items():
    digest.update(f'{split}\n'.encode())
    for example in examples:
      digest.update(f'{example.text}\t{example.label}\n'.encode())
  return digest.hexdigest()


def _predictions(
  examples: Sequence[corpus.Example],
  labels: Sequence[str],
  shares: np.ndarray,
  predicted: Sequence[str],
) -> str:
  """A line a sentence: index, a probability a label, predicted, gold."""
  rows = ['\t'.join(('index', *labels, 'predicted', 'gold'))]
  for example, row, label in zip(examples, shares, predicted, strict=True):
    each = (f'{share:.6f}' for share in row)
    rows.append('\t'.join((example.index, *each, label, example.label)))
  return '\n'.join(rows) + '\n'


def _mistakes(
  examples: Sequence[corpus.Example],
  shares: np.ndarray,
  predicted: Sequence[str],
) -> str:
  """A line for each wrong sentence, the surest mistakes first."""
  rows = ['file\tline\tgold\tpredicted\tprobability\tsentence']
  surest = np.argsort(-shares.max(axis=1), kind='stable')
  for i in surest:
    example, label = examples[i], predicted[i]
    if label != example.label:
      cells = (
        *(pathlib.Path(example.path).name, str(example.line), example.label),
        *(label, f'{shares[i].max():.4f}', example.text),
      )
      rows.append('\t'.join(cells))
  return '\n'.join(rows) + '\n'

"""Pre-training: masked pieces and next sentences, over token shards."""

import functools
import glob
import hashlib
import logging
import math
import os
import pathlib
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from biobert_jax.data.pretraining import manifest as pretraining_manifest
from biobert_jax.data.pretraining import shards
from biobert_jax.data.pretraining.google_tfrecords import TfExampleRows
from biobert_jax.data.pretraining.manifest import read_tokenizer
from biobert_jax.data.pretraining.rows import PretrainingRows, feature_shapes
from biobert_jax.errors import InputError
from biobert_jax.models.config import BertConfig
from biobert_jax.models.heads import PreTrainer, PretrainingLogits
from biobert_jax.tasks import losses
from biobert_jax.tasks.masking import Masking, mask_rows
from biobert_jax.tasks.task import PIECES, Arrays, Outputs, Rows, Scored, Task
from biobert_jax.text.wordpiece import WordPieceTokenizer

_log = logging.getLogger(__name__)

# What `curves.png` shows: (title, figures).
PANELS = (
  ('loss (nats)', ('train/loss', 'train/masked_lm_loss')),
  ('held-out loss (nats)', ('validation/masked_lm_loss',)),
  (
    'held-out accuracy (%)',
    ('validation/masked_lm_accuracy', 'validation/next_sentence_accuracy'),
  ),
  ('learning rate', ('train/learning_rate',)),
)
_INPUTS = (*PIECES, 'cls_positions', 'masked_positions')
_LOOK_AT = 16  # Blocks whose rows are described when a run begins.
_UNUSED = '[unused'


def make_task(
  bert: BertConfig, masking: Masking | None, next_sentence: bool
) -> Task:
  """The pure half of the task.

  The loss is the plain sum of both means (run_pretraining.py:148); each mean
  is over the whole global batch, not, as on the reference's TPU cores, over
  each core's own rows.

  Args:
    bert: the encoder's architecture.
    masking: how pieces are masked anew for each step; None: they come masked.
    next_sentence: whether sentence pairs are judged too.

  Returns:
    The record that `train` and `evaluate` run.
  """
  of_pieces = ('masked_lm_loss', 'masked_lm_accuracy')
  of_pairs = ('next_sentence_loss', 'next_sentence_accuracy')

  def prepare(batch: Arrays, keys: jax.Array) -> Arrays:
    if masking is None:
      return batch
    names = ('input_ids', 'masked_positions', 'masked_ids')
    ids, sequences = batch['input_ids'], batch['sequence_ids']
    masked = mask_rows(masking, ids, sequences, keys)
    return batch | dict(zip(names, masked, strict=True))

  def labels(batch: Arrays) -> dict[tuple[str, str], jax.Array]:
    named = {of_pieces: batch['masked_ids']}
    if next_sentence:
      named[of_pairs] = batch['next_sentence_labels']
    return named

  def weights(batch: Arrays) -> Arrays:
    size = jnp.asarray(batch['sequence_ids'].size, jnp.float32)
    return {'fill': size} | {
      name: losses.label_weight(given)
      for names, given in labels(batch).items()
      for name in names
    }

  def each(logits: PretrainingLogits, batch: Arrays) -> Arrays:
    """Sums of each row [B]."""
    real = batch['sequence_ids'] > 0
    sums = {'fill': jnp.sum(real, axis=-1, dtype=jnp.float32)}
    scored: dict[str, Any] = {
      of_pieces[0]: logits.masked_lm,
      of_pairs[0]: logits.next_sentence,
    }
    for (loss, accuracy), given in labels(batch).items():
      scores = scored[loss]
      sums[loss] = jax.vmap(losses.cross_entropy_sum)(scores, given)
      sums[accuracy] = jax.vmap(losses.correct_sum)(scores, given)
    return sums

  def sums(logits: PretrainingLogits, batch: Arrays) -> Arrays:
    return jax.tree.map(jnp.sum, each(logits, batch))

  def predict(logits: PretrainingLogits, batch: Arrays) -> Arrays:
    weight = {
      f'weight/{names[0]}': jax.vmap(losses.label_weight)(given)
      for names, given in labels(batch).items()
    }
    return each(logits, batch) | weight

  minimised = (of_pieces[0], *(of_pairs[:1] if next_sentence else ()))
  return Task(
    'pretraining',
    PreTrainer(bert, next_sentence),
    minimised,
    weights,
    sums,
    predict,
    _INPUTS,
    prepare,
  )


def validate(config: ConfigDict) -> None:
  """Refuses values of `data` and `masking` outside their range.

  Raises:
    InputError: names the key, its value and its range.
  """
  data, masking = config.data, config.masking
  if not 0 < masking.rate < 1:
    raise InputError(
      f'masking.rate is {masking.rate}; it must lie in (0, 1), BERT has 0.15'
    )
  if not 0 <= data.short_seq_prob <= 1:
    raise InputError(
      f'data.short_seq_prob is {data.short_seq_prob}; it must lie in [0, 1]'
    )
  for name, value in (
    ('masking.max_predictions', masking.max_predictions),
    ('data.max_pairs', data.max_pairs),
    ('data.eval_rows', data.eval_rows),
  ):
    if value < 1:
      raise InputError(f'{name} is {value}; it must be at least 1')


def task_of(
  config: ConfigDict,
  bert: BertConfig,
  labels: tuple[str, ...],
  tokenizer: WordPieceTokenizer,
) -> Task:
  """The record of an experiment."""
  del labels
  static = is_tf_examples(config.data.dir)
  masking = None if static else masking_of(config, tokenizer)
  return make_task(bert, masking, config.data.next_sentence)


def masking_of(config: ConfigDict, tokenizer: WordPieceTokenizer) -> Masking:
  """How an experiment masks, with what it needs of the vocabulary."""
  masking = config.masking
  specials = {
    *(tokenizer.pad_id, tokenizer.unk_id, tokenizer.cls_id),
    *(tokenizer.sep_id, tokenizer.mask_id),
  }
  usable = [
    i
    for i, piece in enumerate(tokenizer.pieces)
    if i not in specials and not piece.startswith(_UNUSED)
  ]
  if not usable:
    raise InputError('the vocabulary has no piece besides specials')
  return Masking(
    masking.rate,
    masking.max_predictions,
    masking.whole_word,
    tokenizer.mask_id,
    (tokenizer.cls_id, tokenizer.sep_id),
    np.asarray(usable, np.int32),
    np.asarray([p.startswith('##') for p in tokenizer.pieces]),
  )


def is_tf_examples(folder: str) -> bool:
  """Whether a corpus is the reference's files, not a folder of shards."""
  return bool(folder) and not pathlib.Path(folder).expanduser().is_dir()


def tokenizer_of(config: ConfigDict) -> WordPieceTokenizer:
  """The vocabulary that lies beside the shards."""
  if is_tf_examples(config.data.dir):
    raise InputError(
      'data.dir names TFRecord files, which hold no vocabulary; give '
      '--config.init_from or --config.vocab.path'
    )
  return read_tokenizer(_folder(config))


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
) -> 'PretrainingDataset':
  """The corpus of an experiment."""
  del labels
  return PretrainingDataset(config, tokenizer, splits or splits_of(config))


def _folder(config: ConfigDict) -> pathlib.Path:
  if not config.data.dir:
    raise InputError(
      'data.dir is not set; give --config.data.dir=DIR, a folder that '
      'biobert-jax prepare-corpus wrote'
    )
  return pathlib.Path(config.data.dir).expanduser()


def shapes_of(
  config: ConfigDict, batch_size: int
) -> dict[str, tuple[int, ...]]:
  """Shapes of a batch, without the corpus that it is drawn from."""
  data = config.data
  return feature_shapes(batch_size, data.max_seq_length, data.max_pairs)


class PretrainingDataset:
  """Token shards, or the reference's files, as rows."""

  def __init__(
    self,
    config: ConfigDict,
    tokenizer: WordPieceTokenizer,
    splits: tuple[str, ...],
  ):
    """Opens the splits and checks their files.

    Args:
      config: `data`, `masking` and `seed` of the experiment.
      tokenizer: what the pieces must have been made with.
      splits: which to open.

    Raises:
      InputError: names the file and the remedy.
    """
    self.labels: tuple[str, ...] = ()
    self.counts: Counter[str] = Counter()
    self._config, self._tokenizer = config, tokenizer
    folder = _folder(config)
    self._rows_of: dict[str, Rows] = {}
    if is_tf_examples(str(folder)):
      files = {s: self._files(s) for s in splits}
      digests = [_digest_of_files(paths) for paths in files.values()]
      for split, paths in files.items():
        self._rows_of[split] = self._tf_examples(paths)
    else:
      # Kept here, never an argument: a type checker at run time looks into a
      # sequence, so it would read a record, perhaps the one that is damaged.
      self._opened = {
        s: shards.Shards(folder, s, config.data.verify, tokenizer)
        for s in splits
      }
      digests = [_digest(s.manifest, n) for n, s in self._opened.items()]
      for split in splits:
        self._rows_of[split] = self._shards(split)
    digest = hashlib.sha256('\n'.join(digests).encode())
    self.sha256 = digest.hexdigest()
    self.rows = functools.cache(self._rows)

  def _rows(self, split: str) -> Rows:
    """The rows of a split; see `Dataset.rows`."""
    return self._rows_of[split]

  def _shards(self, split: str) -> PretrainingRows:
    data, found = self._config.data, self._opened[split]
    rows = PretrainingRows(
      found,
      self._tokenizer,
      max_seq_length=data.max_seq_length,
      pack=data.pack,
      next_sentence=data.next_sentence,
      short_seq_prob=data.short_seq_prob,
      single_sentence=data.single_sentence,
      max_pairs=data.max_pairs,
      max_eval_rows=data.eval_rows,
      seed=self._config.seed,
    )
    _log.info(
      '%s: %d documents, %d pieces, about %d rows of %d an epoch',
      *(split, len(found), found.lengths.sum(dtype=np.int64)),
      *(rows.num_rows, data.max_seq_length),
    )
    if split == data.train_split:
      _log.info('of each row, on average: %s', _said(rows.statistics(_LOOK_AT)))
    return rows

  def _files(self, split: str) -> list[str]:
    data = self._config.data
    pattern = data.dir if split == data.train_split else split
    paths = sorted(glob.glob(str(pathlib.Path(pattern).expanduser())))
    if not paths:
      raise InputError(
        f'{pattern}: no such file; data.dir is a folder of shards, or a '
        'pattern of TFRecord files, and data.devel_split then another one, or '
        "''"
      )
    return paths

  def _tf_examples(self, paths: list[str]) -> TfExampleRows:
    data = self._config.data
    rows = TfExampleRows(
      paths,
      max_seq_length=data.max_seq_length,
      vocab_size=self._tokenizer.vocab_size,
      max_eval_rows=data.eval_rows,
      seed=self._config.seed,
    )
    _log.info('%s …: %d rows of the reference', paths[0], rows.num_rows)
    return rows

  def score(self, split: str, outputs: Outputs) -> Scored:
    """Mean loss and accuracy of masked pieces and of sentence pairs."""
    del split
    totals: defaultdict[str, float] = defaultdict(float)
    for _, arrays in outputs:
      for name, array in arrays.items():
        totals[name] += math.fsum(np.asarray(array, np.float64))
    figures: dict[str, Any] = {}
    for what in ('masked_lm', 'next_sentence'):
      weight = totals[f'weight/{what}_loss']
      if weight:
        loss, hits = totals[f'{what}_loss'], totals[f'{what}_accuracy']
        figures[f'{what}_loss'] = round(loss / weight, 6)
        figures[f'{what}_accuracy'] = round(100 * hits / weight, 4)
        figures[f'{what}_count'] = int(weight)
    if not figures:
      raise InputError('the held-out rows hold nothing to predict')
    return Scored(figures, -figures['masked_lm_loss'], {})


def _said(statistics: Mapping[str, int | float]) -> str:
  """What rows hold, in a line."""
  shares = (
    *('fill', 'random_next', 'unlabelled', 'drawn_short', 'shortened_by_room'),
    *('documents_left_out', 'documents_repeated', 'pieces_truncated'),
  )
  parts = [f'{statistics["pairs_per_row"]:.2f} pairs']
  for name in shares:
    parts.append(f'{name.replace("_", " ")} {100 * statistics[name]:.1f} %')
  return ', '.join(parts)


def _digest(manifest: pretraining_manifest.Manifest, split: str) -> str:
  entries = manifest['splits'][split]['shards']
  return '\n'.join(entry['sha256'] for entry in entries)


def _digest_of_files(paths: list[str]) -> str:
  """Of sizes and beginnings: to read all of it would take hours."""
  digest = hashlib.sha256()
  for path in paths:
    with open(path, 'rb') as file:
      digest.update(f'{os.path.getsize(path)}\n'.encode() + file.read(1 << 20))
  return digest.hexdigest()

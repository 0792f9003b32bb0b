"""Pre-training: masked tokens and next sentences, over token shards."""

import hashlib
import logging
import math
import os
from collections import Counter, defaultdict
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from biobert_jax.data.pretraining import corpus_warnings, shards
from biobert_jax.data.pretraining.google_tfrecords import TfExamples
from biobert_jax.data.pretraining.manifest import read_tokenizer
from biobert_jax.data.pretraining.sentence_pairs import feature_shapes
from biobert_jax.data.pretraining.sequences import PretrainingSequences
from biobert_jax.errors import COUNT, InputError, Range
from biobert_jax.io import storage
from biobert_jax.models.config import BertConfig
from biobert_jax.models.heads import PreTrainer, PretrainingLogits
from biobert_jax.tasks import datasets, losses, task
from biobert_jax.tasks.masking import Masking, mask_rows
from biobert_jax.tasks.task import Arrays, Dataset, Names, Outputs, Scored, Task
from biobert_jax.text.wordpiece import WordPieceTokenizer

_log = logging.getLogger(__name__)
PANELS = (
  ('loss (nats)', ('train/loss', 'train/masked_lm_loss')),
  ('held-out loss (nats)', ('validation/masked_lm_loss',)),
  (
    'held-out accuracy (%)',
    ('validation/masked_lm_accuracy', 'validation/next_sentence_accuracy'),
  ),
)
RANGES = {
  'masking.rate': Range(
    lambda x: 0 < x < 1, 'it must lie in (0, 1), BERT has 0.15'
  ),
  'masking.max_predictions': COUNT,
  'data.short_seq_prob': Range(lambda x: 0 <= x <= 1, 'it must lie in [0, 1]'),
  'data.max_pairs': COUNT,
  'data.eval_rows': COUNT,
}
_WROTE = ', a folder that `biobert-jax prepare-corpus` wrote'
validate = datasets.no_conditions
_SAMPLED_BLOCKS = 16  # Blocks that are described when a run begins.
# Head -> its labels in a batch.
_LABELS = {'masked_lm': 'masked_ids', 'next_sentence': 'next_sentence_labels'}
# Keys of `data` that rows of shards take.
_ROWS = (
  *('max_seq_length', 'pack', 'next_sentence', 'short_seq_prob'),
  *('single_sentence', 'max_pairs'),
)
# What the log says of a packed sequence: fractions 0-1.
_SHARES = (
  *('fill', 'random_next', 'unlabelled', 'drawn_short', 'shortened_by_room'),
  *('documents_left_out', 'documents_repeated', 'pieces_truncated'),
)


def make_task(
  bert: BertConfig, masking: Masking | None, next_sentence: bool
) -> Task:
  """The compiled part of the task.

  The loss is the plain sum of both means (run_pretraining.py:148). Each mean is
  over the whole global batch; on the reference's TPU cores it is over the part
  of each core. Without `masking`, tokens are masked in the data already.
  """
  scored = ('masked_lm', *(['next_sentence'] if next_sentence else []))

  def prepare(batch: Arrays, keys: jax.Array) -> Arrays:
    if masking is None:
      return batch
    names = ('input_ids', 'masked_positions', 'masked_ids')
    ids, sequences = batch['input_ids'], batch['sequence_ids']
    masked = mask_rows(masking, ids, sequences, keys)
    return batch | dict(zip(names, masked, strict=True))

  def normalizers(batch: Arrays) -> Arrays:
    size = jnp.asarray(batch['sequence_ids'].size, jnp.float32)
    return {'fill': size} | {
      f'{head}_{kind}': losses.label_count(batch[_LABELS[head]])
      for head in scored
      for kind in ('loss', 'accuracy')
    }

  def sums_per_row(logits: PretrainingLogits, batch: Arrays) -> Arrays:
    """Sums [B] over each packed sequence."""
    real = batch['sequence_ids'] > 0
    sums = {'fill': jnp.sum(real, axis=-1, dtype=jnp.float32)}
    for head in scored:
      given = getattr(logits, head), batch[_LABELS[head]]
      sums[f'{head}_loss'] = jax.vmap(losses.cross_entropy_sum)(*given)
      sums[f'{head}_accuracy'] = jax.vmap(losses.correct_sum)(*given)
    return sums

  def sums(logits: PretrainingLogits, batch: Arrays) -> Arrays:
    return jax.tree.map(jnp.sum, sums_per_row(logits, batch))

  def predict(logits: PretrainingLogits, batch: Arrays) -> Arrays:
    count = jax.vmap(losses.label_count)
    counts = {f'weight/{h}_loss': count(batch[_LABELS[h]]) for h in scored}
    return sums_per_row(logits, batch) | counts

  names = tuple(f'{head}_loss' for head in scored)
  module = PreTrainer(bert, next_sentence)
  return Task(module, predict, sums, normalizers, names, prepare)


def task_of(
  config: ConfigDict,
  bert: BertConfig,
  labels: Names,
  tokenizer: WordPieceTokenizer,
) -> Task:
  """The task of a config; see `make_task`."""
  del labels
  static = _is_tf_examples(config.data.dir)
  masking = None if static else masking_of(config, tokenizer)
  return make_task(bert, masking, config.data.next_sentence)


def masking_of(config: ConfigDict, tokenizer: WordPieceTokenizer) -> Masking:
  """How tokens are masked, by a config and the vocabulary."""
  masking = config.masking
  special = (tokenizer.cls_id, tokenizer.sep_id)
  left_out = {*special, tokenizer.pad_id, tokenizer.unk_id, tokenizer.mask_id}
  usable = [
    i
    for i, piece in enumerate(tokenizer.pieces)
    if i not in left_out and not piece.startswith('[unused')
  ]
  if not usable:
    raise InputError('the vocabulary holds nothing but special tokens')
  return Masking(
    *(masking.rate, masking.max_predictions, masking.whole_word),
    *(tokenizer.mask_id, special, np.asarray(usable, np.int32)),
    np.asarray([p.startswith('##') for p in tokenizer.pieces]),
  )


def _is_tf_examples(folder: str) -> bool:
  """Whether a corpus is TFRecord files of the reference, not our shards."""
  if not folder:
    return False
  return not storage.is_dir(folder) and bool(storage.glob(folder))


def _matching(pattern: str, key: str = 'dir') -> list[storage.Place]:
  """The TFRecord files of a pattern of `data`, or the folder of shards."""
  paths = storage.glob(pattern)
  if not paths:
    wanted = (
      'a folder that prepare-corpus wrote, or a pattern of TFRecord files'
    )
    if key != 'dir':
      wanted = "another pattern of TFRecord files, or ''"
    raise InputError(
      f'--config.data.{key} is {pattern!r}: no such folder or file; name'
      f' {wanted}'
    )
  return paths


def tokenizer_of(config: ConfigDict) -> WordPieceTokenizer:
  """The tokenizer whose vocabulary is stored beside the shards."""
  if _is_tf_examples(config.data.dir):
    what = f'{config.data.dir}: TFRecord files hold no vocabulary'
    raise InputError(f'{what}; give --config.init_from or --config.vocab.path')
  place = datasets.data_place(config, _WROTE)
  _matching(str(place))
  return read_tokenizer(place)


def shapes_of(config: ConfigDict, batch_size: int) -> task.Shapes:
  """Shapes of a batch's device arrays, without reading the corpus."""
  data = config.data
  return feature_shapes(batch_size, data.max_seq_length, data.max_pairs)


def dataset_of(
  config: ConfigDict,
  tokenizer: WordPieceTokenizer,
  labels: Names | None = None,
  splits: Names = (),
) -> Dataset:
  """Opens splits and checks their files; see `TaskModule.dataset_of`."""
  del labels  # There are none.
  place, data = datasets.data_place(config, _WROTE), config.data
  opened: dict[str, Any] = {}
  rows: dict[str, Any] = {}
  digests: list[str] = []
  splits = splits or datasets.named_splits(config)
  _matching(str(place))
  if _is_tf_examples(str(place)):
    opened = {split: _files(data, split) for split in splits}
    for split, paths in opened.items():
      # First: it refuses what cannot be read.
      rows[split] = _tf_examples(config, tokenizer, paths)
      digests.append(_digest_of_files(paths))
  else:
    # Work folders of before there were buckets have no such key.
    in_place = 'read_in_place' in data and data.read_in_place
    folder = place if in_place else shards.local_copy(place)
    for split in splits:
      opened[split] = shards.Shards(folder, split, data.verify, tokenizer)
    for split, found in opened.items():
      entries = found.manifest['splits'][split]['shards']
      digests.append('\n'.join(entry['sha256'] for entry in entries))
      rows[split] = _shards(config, tokenizer, split, found)
  sha256 = hashlib.sha256('\n'.join(digests).encode()).hexdigest()
  return Dataset((), opened, Counter(), sha256, rows.__getitem__, score)


# `found` is of any type: a run-time type checker would look into the sequence
# and read a record, perhaps a damaged one.
def _shards(
  config: ConfigDict, tokenizer: WordPieceTokenizer, split: str, found: Any
) -> PretrainingSequences:
  data = config.data
  options = {name: data[name] for name in _ROWS}
  options |= {'max_eval_rows': data.eval_rows, 'seed': config.seed}
  rows = PretrainingSequences(found, tokenizer, **options)
  _log.info(
    '%s: %d documents, %d tokens, about %d packed sequences of %d per epoch',
    *(split, len(found), found.lengths.sum(dtype=np.int64)),
    *(rows.num_rows, data.max_seq_length),
  )
  if split == data.train_split:
    statistics = rows.statistics(_SAMPLED_BLOCKS)
    parts = [f'{statistics["pairs_per_row"]:.2f} pairs']
    for name in _SHARES:
      parts.append(f'{name.replace("_", " ")} {100 * statistics[name]:.1f} %')
    _log.info('per packed sequence, on average: %s', ', '.join(parts))
    if data.next_sentence:  # Else a sentence may go on in the next sequence.
      for line in corpus_warnings.warnings_of(found, data.max_seq_length):
        _log.warning('%s: %s', split, line)
  return rows


def _files(data: ConfigDict, split: str) -> list[str]:
  is_train = split == data.train_split
  found = _matching(data.dir) if is_train else _matching(split, 'devel_split')
  names: defaultdict[storage.Place, set[str]] = defaultdict(set)
  for place in found:
    names[place.parent].add(place.name)
  here = {folder: storage.local(folder, some) for folder, some in names.items()}
  return [str(here[place.parent] / place.name) for place in found]


def _tf_examples(
  config: ConfigDict, tokenizer: WordPieceTokenizer, paths: list[str]
) -> TfExamples:
  rows = TfExamples(
    paths,
    max_seq_length=config.data.max_seq_length,
    vocab_size=tokenizer.vocab_size,
    max_eval_rows=config.data.eval_rows,
    seed=config.seed,
  )
  _log.info('%s …: %d sequences of the reference', paths[0], rows.num_rows)
  return rows


def score(split: str, outputs: Outputs) -> Scored:
  """Mean loss and accuracy of masked tokens and of sentence pairs."""
  del split
  totals: defaultdict[str, float] = defaultdict(float)
  for _, arrays in outputs:
    for name, array in arrays.items():
      totals[name] += math.fsum(np.asarray(array, np.float64))
  metrics: dict[str, Any] = {}
  for head in _LABELS:
    if count := totals[f'weight/{head}_loss']:
      loss, correct = totals[f'{head}_loss'], totals[f'{head}_accuracy']
      metrics[f'{head}_loss'] = round(loss / count, 6)
      metrics[f'{head}_accuracy'] = round(100 * correct / count, 4)
      metrics[f'{head}_count'] = int(count)
  if not metrics:
    raise InputError('the held-out sequences hold nothing to predict')
  return Scored(metrics, -metrics['masked_lm_loss'], {})


def _digest_of_files(paths: list[str]) -> str:
  """Covers sizes and beginnings; reading everything would take hours."""
  digest = hashlib.sha256()
  for path in paths:
    with open(path, 'rb') as file:
      digest.update(f'{os.path.getsize(path)}\n'.encode() + file.read(1 << 20))
  return digest.hexdigest()

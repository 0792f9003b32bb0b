"""The reference's own pre-training files, read as they are.

google-research/bert `create_pretraining_data.py` (lines 97-160) writes masked
sentence pairs as TFRecord files of `tf.train.Example`; read here at random.
"""

from collections.abc import Iterator, Sequence
from os import PathLike

import numpy as np

from biobert_jax.data.batch_sizes import Stages, first_row
from biobert_jax.data.packing import Batch
from biobert_jax.data.pretraining.sentence_pairs import feature_shapes
from biobert_jax.data.random_streams import mix
from biobert_jax.errors import InputError
from biobert_jax.io import tf_example
from biobert_jax.io.tfrecord import TfRecordFile

# Of each feature, whether it has L, M or one number.
_FEATURES = {
  'input_ids': 'L',
  'input_mask': 'L',
  'segment_ids': 'L',
  'masked_lm_positions': 'M',
  'masked_lm_ids': 'M',
  'masked_lm_weights': 'M',
  'next_sentence_labels': '1',
}
_REMEDIES = {
  'L': 'set --config.data.max_seq_length={0}',
  'M': 'make all files with one --max_predictions_per_seq, or name those of'
  ' one by --config.data.dir',
  '1': 'copy the file again, or make it again',
}
_VOCABULARY = (
  'name the vocabulary that the file was made with by --config.vocab.path'
)
_ROUNDS = 6  # Of the Feistel network; four already mix fully.


class TfExamples:
  """Masked examples of TFRecord files; safe in several threads."""

  def __init__(
    self,
    paths: Sequence[str | PathLike[str]],
    *,
    vocab_size: int,
    max_seq_length: int,
    max_eval_rows: int | None = None,
    seed: int = 0,
  ):
    """Finds all examples, which reads through the files once.

    The order of the files matters to that of the examples; ids are below
    `vocab_size`. An InputError: a file is missing, packed, cut or of others.
    """
    self.max_seq_length = max_seq_length
    self.max_pairs = 1
    self.seed = seed
    self._vocab_size = vocab_size
    self._files = [TfRecordFile(path) for path in paths]
    self._offsets = np.cumsum([0, *map(len, self._files)])
    if not self.num_rows:
      named = ', '.join(str(path) for path in paths[:3]) or 'no file'
      what = f'{named}: no rows; name files of create_pretraining_data.py'
      raise InputError(f'{what} by --config.data.dir')
    self._eval_total = min(max_eval_rows or self.num_rows, self.num_rows)
    file, number = self._place(0)
    features = _decode(file, number)
    self.max_predictions = len(features.get('masked_lm_positions', ()))
    self._row(0)

  @property
  def num_rows(self) -> int:
    """Examples of an epoch."""
    return int(self._offsets[-1])

  def feature_shapes(self, batch_size: int) -> dict[str, tuple[int, ...]]:
    """Those of `sentence_pairs.feature_shapes` with one pair, and
    masked_positions and masked_ids (-1: none), [B, M].
    """
    shapes = feature_shapes(batch_size, self.max_seq_length, 1)
    masked = (batch_size, self.max_predictions)
    return shapes | {'masked_positions': masked, 'masked_ids': masked}

  def train_batch(
    self,
    step: int,
    batch_size: int,
    host: int = 0,
    hosts: int = 1,
    earlier: Stages = (),
  ) -> Batch:
    """As `packing.PackedRows.train_batch`; an InputError: a bad example."""
    each = batch_size // hosts
    first = host * each
    begin = first_row(step, batch_size, earlier) + first
    places = begin + np.arange(each)
    keys = mix(self.seed, places // self.num_rows)
    numbers = shuffled_numbers(places % self.num_rows, self.num_rows, keys)
    rows = [self._row(number) for number in numbers.tolist()]
    return self._stack(rows, each, first)

  def eval_batches(self, batch_size: int) -> Iterator[Batch]:
    """One pass in the order of the files, as `PackedSequences.eval_batches`."""
    for first in range(0, self._eval_total, batch_size):
      last = min(first + batch_size, self._eval_total)
      rows = [self._row(index) for index in range(first, last)]
      yield self._stack(rows, batch_size, first)

  def _stack(self, rows: list[Batch], batch_size: int, first: int) -> Batch:
    """Examples one below the other, padded to a batch."""
    batch = {}
    for name, shape in self.feature_shapes(batch_size).items():
      none = name in ('next_sentence_labels', 'masked_ids')
      batch[name] = np.full(shape, -1 if none else 0, np.int32)
    for place, row in enumerate(rows):
      for name, values in row.items():
        batch[name][place] = values
    batch['row_ids'][:] = np.arange(first, first + batch_size)
    return batch

  def _place(self, index: int) -> tuple[TfRecordFile, int]:
    """The file of an example, and its number there."""
    file = int(np.searchsorted(self._offsets, index, 'right')) - 1
    return self._files[file], index - int(self._offsets[file])

  def _row(self, index: int) -> Batch:
    """The arrays of an example, without row_ids."""
    file, number = self._place(index)
    features = _decode(file, number)
    sizes = {'L': self.max_seq_length, 'M': self.max_predictions, '1': 1}
    for name, size in _FEATURES.items():
      if name not in features:
        what, remedy = f'has no feature {name}', 'name files of'
        remedy += ' create_pretraining_data.py by --config.data.dir'
        raise file.fault(number, what, remedy)
      if (found := len(features[name])) != sizes[size]:
        what = f'has {found} {name}, not the {sizes[size]} that are expected'
        raise file.fault(number, what, _REMEDIES[size].format(found))
    if fault := self._fault(features):
      raise file.fault(number, *fault)
    real = features['input_mask']
    weighted = features['masked_lm_weights'] > 0
    return {
      'input_ids': features['input_ids'] * real,
      'segment_ids': features['segment_ids'] * real,
      'position_ids': np.arange(len(real)) * real,
      'sequence_ids': real,
      'cls_positions': np.zeros(1, np.int32),
      'next_sentence_labels': features['next_sentence_labels'],
      'masked_positions': features['masked_lm_positions'] * weighted,
      'masked_ids': np.where(weighted, features['masked_lm_ids'], -1),
    }

  def _fault(self, features: dict[str, np.ndarray]) -> tuple[str, ...]:
    """The fault of an example's features, and its remedy; () where valid."""
    mask = features['input_mask']
    # Real tokens, and behind them padding.
    if not np.isin(mask, (0, 1)).all() or (mask[1:] > mask[:-1]).any():
      return ('has an input_mask that is not ones and then zeros',)
    limits = {
      'input_ids': self._vocab_size,
      'masked_lm_ids': self._vocab_size,
      'segment_ids': 2,
      'next_sentence_labels': 2,
      'masked_lm_positions': max(1, int(mask.sum())),
    }
    for name, end in limits.items():
      values = features[name]
      if len(values) and not 0 <= values.min() <= values.max() < end:
        what = f'has {name} from {values.min()} to {values.max()}'
        of_vocabulary = (_VOCABULARY,) if end == self._vocab_size else ()
        return f'{what}, not below {end}', *of_vocabulary
    if not np.isin(features['masked_lm_weights'], (0, 1)).all():
      return ('has masked_lm_weights other than 0 and 1',)
    return ()


def _decode(file: TfRecordFile, number: int) -> dict[str, np.ndarray]:
  data = file.read(number)
  try:
    return tf_example.decode_numbers(data)
  except (ValueError, LookupError) as error:
    what = f'is not a tf.train.Example of numbers ({error})'
    raise file.fault(number, what) from None


def shuffled_numbers(
  positions: np.ndarray, count: int, keys: np.ndarray
) -> np.ndarray:
  """The numbers at positions of a shuffled range, without shuffling it.

  A Feistel network permutes the next larger power of four; what falls outside
  goes through again until it falls inside (Black and Rogaway, 2002). Positions
  [n] are below `count`; `keys` [n], uint64, are the permutation of each.
  """
  half = np.uint64(max(1, ((count - 1).bit_length() + 1) // 2))
  low = np.uint64((1 << int(half)) - 1)
  numbers = positions.astype(np.uint64)
  (outside,) = np.nonzero(numbers < count)  # All of them.
  while len(outside):
    left, right = numbers[outside] >> half, numbers[outside] & low
    for turn in range(_ROUNDS):
      hashes = mix(keys[outside], turn, right)
      left, right = right, left ^ (hashes & low)
    numbers[outside] = left << half | right
    outside = outside[numbers[outside] >= count]
  return numbers.astype(np.int64)

"""Parts that the datasets of all tasks share: splits, digests, labels."""

import hashlib
import logging
import pathlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from ml_collections import ConfigDict

from biobert_jax.data.packing import PackedRows
from biobert_jax.errors import InputError
from biobert_jax.text.vocabulary import build_vocabulary
from biobert_jax.text.wordpiece import WordPieceTokenizer

_log = logging.getLogger(__name__)
BOOTSTRAP = 1000  # Resamples of the confidence intervals.


def named_splits(config: ConfigDict) -> tuple[str, ...]:
  """The splits that a training run reads: train, then those it scores."""
  data = config.data
  named = (data.train_split, data.devel_split, data.test_split)
  return tuple(split for split in named if split)


def data_folder(config: ConfigDict, what: str = '') -> pathlib.Path:
  """The folder of the corpus; `what` says in an error what it has to hold."""
  if not config.data.dir:
    raise InputError(f'data.dir is not set; give --config.data.dir=DIR{what}')
  return pathlib.Path(config.data.dir).expanduser()


def build_tokenizer(
  config: ConfigDict, texts: Iterable[str], extra: Sequence[str] = ()
) -> WordPieceTokenizer:
  """A tokenizer for a config that names none, from the training split.

  Args:
    config: `vocab` of the experiment.
    texts: of the training split.
    extra: tokens to append where the vocabulary lacks them.
  """
  _log.info('no init_from, no vocab.path: building a vocabulary')
  lower = bool(config.vocab.do_lower_case)
  pieces = build_vocabulary(texts, config.vocab.size, lower)
  missing = [piece for piece in extra if piece not in pieces]
  return WordPieceTokenizer((*pieces, *missing), lower)


def digest(splits: Mapping[str, Iterable[str]]) -> str:
  """SHA-256 of the records of each split, one line per record."""
  digest = hashlib.sha256()
  for split, records in splits.items():
    for record in (split, *records):
      digest.update(f'{record}\n'.encode())
  return digest.hexdigest()


def label_ids(names: Iterable[str], labels: Sequence[str]) -> np.ndarray:
  """int32 ids of label names."""
  ids = {label: i for i, label in enumerate(labels)}
  return np.asarray([ids[name] for name in names], np.int32)


def log_packing(split: str, contents: str, rows: PackedRows) -> None:
  """Logs what a split holds and how densely it is packed."""
  _log.info(
    '%s: %s in %d packed sequences of %d, %.2f %% padding',
    *(split, contents, rows.num_rows, rows.max_seq_length),
    100 * (1 - rows.fill),
  )

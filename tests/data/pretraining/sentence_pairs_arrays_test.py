"""Rows of pairs as arrays, by hand."""

import numpy as np

from biobert_jax.data.pretraining.sentence_pairs import (
  IS_NEXT,
  UNLABELLED,
  BlockUsage,
  Pair,
  describe,
  expand,
  lay_out,
)

SOURCE = np.arange(100, 120, dtype=np.int32)
PAIR = Pair(0, 2, 4, 1, IS_NEXT, False, False)
ALONE = Pair(8, 2, 0, 0, UNLABELLED, True, True)


def rows():
  usage = BlockUsage(documents=2, begun=3, walked=10, truncated=1)
  return lay_out([[PAIR, ALONE], [ALONE]], SOURCE, (12, 2), (1, 2), usage)


def test_pairs_are_copied_with_their_specials():
  found = rows()
  assert found.input_ids.tolist() == [
    [1, 100, 101, 2, 104, 2, 1, 108, 109, 2, 0, 0],
    [1, 108, 109, 2, 0, 0, 0, 0, 0, 0, 0, 0],
  ]
  assert found.lengths.tolist() == [[[2, 1], [2, 0]], [[2, 0], [0, 0]]]
  assert found.labels.tolist() == [[IS_NEXT, UNLABELLED], [UNLABELLED] * 2]


def test_batch_arrays_follow_from_lengths():
  found = rows()
  batch = expand(found.input_ids, found.lengths, found.labels, np.arange(2))
  assert batch['sequence_ids'][0].tolist() == [1] * 6 + [2] * 4 + [0] * 2
  assert batch['segment_ids'][0].tolist() == [0] * 4 + [1] * 2 + [0] * 6
  assert batch['position_ids'][0].tolist() == [*range(6), *range(4), 0, 0]
  assert batch['cls_positions'].tolist() == [[0, 6], [0, 0]]


def test_statistics_by_hand():
  found = describe([rows()])
  assert found['fill'] == 14 / 24
  assert found['useful_pieces'] == 7 / 24
  assert found['pairs_per_row'] == 1.5
  assert found['unlabelled'] == 1 - 1 / 3
  assert found['documents_repeated'] == 0.5
  assert found['pieces_truncated'] == 0.1

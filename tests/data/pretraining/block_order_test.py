"""Each sequence of each block is read once, whatever the batch sizes."""

import random
from collections import Counter

import pytest

from biobert_jax.data.pretraining.block_order import BlockOrder


def test_the_first_order_is_that_of_the_phases():
  order = BlockOrder(2, 5, [0, 3])
  assert [order.place(0, step) for step in (0, 4, 5)] == [
    (0, 0),
    (0, 4),
    (2, 0),
  ]
  assert [order.place(1, step) for step in (0, 1, 2)] == [
    (1, 3),
    (1, 4),
    (3, 0),
  ]


def test_the_open_blocks_are_finished_first():
  order = BlockOrder(2, 5, [0, 3]).after(1, 3)
  # Left: 1-4 of block 0, 4 of block 1; in stretches of two, two and one.
  assert [
    [order.place(slot, step) for step in (1, 2)] for slot in range(3)
  ] == [
    [(0, 1), (0, 2)],
    [(0, 3), (0, 4)],
    [(1, 4), (4, 0)],
  ]
  assert [order.place(slot, 3) for slot in range(3)] == [(2, 0), (3, 0), (4, 1)]


@pytest.mark.parametrize('seed', range(40))
def test_nothing_is_repeated_or_left_out(seed):
  drawn = random.Random(seed)
  rows = drawn.randint(1, 7)
  sizes = [drawn.randint(1, 6) for _ in range(drawn.randint(2, 5))]
  phases = [drawn.randrange(rows) for _ in range(sizes[0])]
  order, step, read = BlockOrder(sizes[0], rows, phases), 0, Counter()
  for number, size in enumerate(sizes):
    if number:
      order = order.after(step, size)
    for _ in range(drawn.randint(0, 12) if number < len(sizes) - 1 else 60):
      read.update(order.place(slot, step) for slot in range(size))
      step += 1
  assert max(read.values()) == 1
  assert {row for _, row in read} == set(range(rows))
  begun = max(block for block, _ in read) - 2 * max(sizes)
  passed_over = {(slot, r) for slot, p in enumerate(phases) for r in range(p)}
  whole = {(block, r) for block in range(begun) for r in range(rows)}
  assert whole - passed_over <= read.keys()

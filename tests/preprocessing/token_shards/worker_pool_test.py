"""The pool of processes: a killed worker is one line, with a remedy."""

import os

import pytest

from biobert_jax.errors import InputError
from biobert_jax.preprocessing.token_shards.stages import CorpusJob
from biobert_jax.preprocessing.token_shards.worker_pool import Workers
from biobert_jax.text.readers.article import Options
from tests.fixtures.small_corpus import TOKENIZER


def test_results_come_in_order_and_a_killed_worker_is_named() -> None:
  job = CorpusJob(Options(), frozenset(), 1 << 20, 1 << 20)
  done = []
  with Workers(1, TOKENIZER, job) as pool:
    values = [(i,) for i in (3, -1, 2)]
    found = pool._map(abs, values, lambda: None, lambda: done.append(1))
    assert found == [3, 1, 2]
    assert len(done) == 3
    with pytest.raises(InputError, match='killed.*with fewer --workers'):
      pool._map(os._exit, [(9,)], lambda: None)

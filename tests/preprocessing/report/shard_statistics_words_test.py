"""Unknown words of the raw text, in bounded memory."""

import pathlib

import pytest

from biobert_jax.preprocessing.report.shard_statistics import (
  BoundedCounter,
  unknown_words,
)
from biobert_jax.text.readers.article import Options
from tests.fixtures import small_corpus
from tests.fixtures.small_corpus import TOKENIZER


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
  return small_corpus.make(tmp_path_factory.mktemp('corpus'))


def test_a_bounded_counter_keeps_what_is_frequent() -> None:
  counter: BoundedCounter[str] = BoundedCounter(10)
  for i in range(1000):
    counter.add([f'rare{i}', 'often', 'often', f'every{i % 3}'])
    assert len(counter.counts) <= 20
  assert counter.counts['often'] == 2000
  assert {f'every{i}' for i in range(3)} <= counter.counts.keys()
  assert counter.forgotten == 1004 - len(counter.counts)


def test_unknown_words_of_the_text(folder: pathlib.Path) -> None:
  pattern = [str(folder.parent / 'in' / '*.jsonl')]
  found = unknown_words(pattern, TOKENIZER, Options())
  assert found.articles == 75
  assert found.occurrences == 140
  assert found.words == (('∑9', 70), ('☃', 70))
  some = unknown_words(pattern, TOKENIZER, Options(), sample=20)
  assert some.articles == 20


def test_a_sample_is_of_every_file(
  folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
  monkeypatch.setattr(
    'biobert_jax.preprocessing.report.shard_statistics._LEAST_PER_FILE', 2
  )
  for seed in range(4):  # Either file may come first.
    found = unknown_words(
      [str(folder.parent / 'in' / '*.jsonl')],
      TOKENIZER,
      Options(),
      sample=36,
      seed=seed,
    )
    # Of b: ten of such articles and five without, then three more of a.
    assert found.articles == 36
    assert found.occurrences == 2 * (10 + 21)

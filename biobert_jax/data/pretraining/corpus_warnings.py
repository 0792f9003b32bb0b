"""What of a corpus pre-training could not use: said before it is paid for.

A document of one sentence gives no pair for next sentence prediction, and of a
sentence longer than a packed sequence the rest is dropped. Both mean, most
often, that paragraphs were taken for sentences.
"""

import random
from collections.abc import Iterator

import numpy as np

from biobert_jax.data.pretraining.sentence_pairs import PAIR_SPECIALS
from biobert_jax.data.pretraining.shards import Shards

# By `shares_of`, of 687 documents of PubMed's pubmed20n1015.xml.gz as of 2,385
# abstracts of PMC, none has one sentence, and of their tokens 0.4 % stand
# beyond the end of a sequence of 128.
_MANY = 0.1
_SAMPLE = 2_000  # Documents that are looked at.
_REMEDY = (
  'prepare the corpus again with --sentences=split if lines of its plain text'
  ' are paragraphs, else train with --config.data.next_sentence=false'
)


def share_beyond(sentence_lengths: np.ndarray, max_seq_length: int) -> float:
  """Share of tokens that stand beyond the end of a packed sequence.

  `sentence_lengths` [longest + 1] are numbers of sentences of each length.
  """
  lengths = np.arange(len(sentence_lengths))
  over = np.maximum(0, lengths - (max_seq_length - PAIR_SPECIALS))
  total = int(lengths @ sentence_lengths)
  return int(over @ sentence_lengths) / max(1, total)


def warnings(
  one_sentence: float, beyond: float, max_seq_length: int
) -> Iterator[str]:
  """A line with its remedy for each share 0-1 that is large."""
  if one_sentence > _MANY:
    yield (
      f'{100 * one_sentence:.1f} % of the documents have one sentence, which'
      f' next sentence prediction cannot use; {_REMEDY}'
    )
  if beyond > _MANY:
    yield (
      f'{100 * beyond:.1f} % of the tokens are dropped: they stand in sentences'
      f' longer than a sequence of {max_seq_length}; {_REMEDY}'
    )


def warnings_of(shards: Shards, max_seq_length: int) -> list[str]:
  """The warnings of shards, by a sample of their documents."""
  return [*warnings(*shares_of(shards, max_seq_length), max_seq_length)]


def shares_of(shards: Shards, max_seq_length: int) -> tuple[float, float]:
  """Shares of documents of one sentence, and of tokens beyond a sequence."""
  count = len(shards)
  chosen = sorted(random.Random(0).sample(range(count), min(_SAMPLE, count)))
  lengths = [shards[number].sentence_lengths for number in chosen]
  histogram = np.bincount(np.concatenate([np.zeros(0, np.int32), *lengths]))
  single = float((shards.sentence_counts == 1).mean()) if count else 0.0
  return single, share_beyond(histogram, max_seq_length)

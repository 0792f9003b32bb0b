"""Answers from several passages of one question, put together.

As BioBERT's transform_nbset2bioasqform.py: the candidates of all passages by
falling probability, those of equal text except for case summed up, empty ones
left out.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

# BioASQ's id of a question and the number of a passage.
_NUMBERED = re.compile('([0-9a-f]{24})_([0-9]{3})')

# A candidate as nbest_predictions.json has it.
Candidate = Mapping[str, Any]


class PooledAnswer(NamedTuple):
  """An answer of a question."""

  text: str  # As it stands at its most probable place.
  probability: float  # The sum over all places, at most the number of passages.
  passage: int  # Index of the passage of the most probable place.
  start: int  # Its first code point.
  end: int  # The one after its last.


def pool_candidates(
  passages: Sequence[Sequence[Candidate]], max_characters: float = math.inf
) -> list[PooledAnswer]:
  """Answers by falling probability.

  Args:
    passages: the candidates of each, with `text`, `probability`, `start` and
      `end`; the last two may be missing (-1), as in files of other systems.
    max_characters: longer ones are left out; 100 in the reference.
  """
  found = [
    (one, passage)
    for passage, candidates in enumerate(passages)
    for one in candidates
    if one['text'] and len(one['text']) <= max_characters
  ]
  found.sort(key=lambda pair: -pair[0]['probability'])
  pooled: dict[str, PooledAnswer] = {}
  for one, passage in found:
    text, probability = one['text'], one['probability']
    key = text.lower()
    if key in pooled:
      total = pooled[key].probability + probability
      pooled[key] = pooled[key]._replace(probability=total)
    else:
      place = one.get('start', -1), one.get('end', -1)
      pooled[key] = PooledAnswer(text, probability, passage, *place)
  return sorted(pooled.values(), key=lambda one: -one.probability)


def question_id(id_: str) -> str:
  """The question that an id belongs to: `24hex_001` is a passage of `24hex`."""
  match = _NUMBERED.fullmatch(id_)
  return match[1] if match else id_


def passage_id(question: str, passage: int) -> str:
  """The id of a question beside passage 1 to 999; else a ValueError."""
  if not 0 < passage < 1000:
    raise ValueError(f'{question}: no id for passage {passage}')
  return f'{question}_{passage:03d}'

"""Questions beside passages: what a classifier of such pairs reads.

A pair is `[CLS] question [SEP] passage [SEP]`; segment ids tell the two apart.
Where it is too long, the end of the passage falls away, the question never
before it.
"""

import dataclasses
from collections import Counter
from collections.abc import Sequence

import numpy as np

from biobert_jax.data.windows import Windows, one_window_each
from biobert_jax.errors import InputError
from biobert_jax.text.wordpiece import WordPieceTokenizer


@dataclasses.dataclass(frozen=True, slots=True)
class QuestionPair:
  """A question, one of its passages, and the answer."""

  id: str  # Of the pair, once in a file.
  question_id: str  # Of the question, which may have several passages.
  question: str  # Its text.
  passage: str  # The passage's text; '' where there is none.
  label: str  # The answer; '' where it is not known.
  path: str  # The file it was read from.


def encode(
  pairs: Sequence[QuestionPair],
  tokenizer: WordPieceTokenizer,
  *,
  max_seq_length: int,
  counts: Counter[str],
) -> Windows:
  """Makes a window of each pair, see `one_window_each`.

  Args:
    max_seq_length: tokens of a window at most, [CLS] and both [SEP] included.
    counts: receives `passages_cut` and `passage_pieces_cut`; of the passages
      `passages_cut_to_nothing`, and `questions_cut`, without room even alone.

  Raises:
    InputError: a window has no room for a token.
  """
  budget = max_seq_length - 3
  if budget < 1:
    what = f'data.max_seq_length is {max_seq_length}'
    raise InputError(f'{what}; a question with a passage needs 4 or more')
  sequences: list[list[int]] = []
  segments: list[int] = []
  for pair in pairs:
    question = tokenizer.encode(pair.question)[0]
    passage = tokenizer.encode(pair.passage)[0]
    counts['questions_cut'] += len(question) > budget
    question = question[:budget]
    room = budget - len(question)
    if (cut := len(passage) - room) > 0:
      counts['passages_cut'] += 1
      counts['passage_pieces_cut'] += cut
      counts['passages_cut_to_nothing'] += not room
    first = [tokenizer.cls_id, *question, tokenizer.sep_id]
    second = [*passage[:room], tokenizer.sep_id]
    sequences.append(first + second)
    segments += [0] * len(first) + [1] * len(second)
  return one_window_each(sequences, np.asarray(segments, np.int32))

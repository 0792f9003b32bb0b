"""Questions and passages to windows: [CLS] question [SEP] passage [SEP].

A passage that has no room beside its question is cut into overlapping windows
(run_squad.py:287). A token of it may begin an answer only in the one where it
has most context. Whatever is predicted is a range of the original passage.
"""

import dataclasses
import functools
import itertools
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from biobert_jax.data.qa.squad import Question
from biobert_jax.data.windows import Windows, owners
from biobert_jax.errors import InputError
from biobert_jax.text.wordpiece import WordPieceTokenizer

SPECIALS = 3  # [CLS] and two [SEP].
# Bits of `labels`: the answer starts at this token; it ends there.
START, END = 1, 2


@dataclasses.dataclass(frozen=True)
class QuestionWindows:
  """Windows, and what they know of the questions behind them."""

  # Laid end to end; in `words` every token has its own number.
  windows: Windows
  labels: np.ndarray  # [tokens] int8 sum of `START` and `END`; 0 elsewhere.
  # [windows] index of its question; those of one follow each other.
  question: np.ndarray
  # [windows] tokens before the passage, [CLS] and [SEP] included.
  prefix: np.ndarray
  first: np.ndarray  # [windows] the first token of the passage that it holds.
  last: np.ndarray  # [windows] the one after the last.
  # [windows] the first token that has most context in it.
  own_first: np.ndarray
  own_last: np.ndarray  # [windows] the one after the last.
  passage: np.ndarray  # [windows] index of its passage.
  # [passages + 1] where the tokens of each passage begin in the next two.
  piece_offsets: np.ndarray
  # [tokens of all passages] the first code point of each.
  char_starts: np.ndarray
  char_ends: np.ndarray  # [tokens of all passages] the one after the last.

  def __len__(self) -> int:
    """Windows in all."""
    return len(self.question)


class _Passages(NamedTuple):
  """Distinct passages as tokens with their characters."""

  number: dict[str, int]
  ids: list[np.ndarray]
  offsets: np.ndarray
  starts: np.ndarray
  ends: np.ndarray


def encode(
  questions: Sequence[Question],
  tokenizer: WordPieceTokenizer,
  *,
  max_seq_length: int,
  max_question_length: int,
  doc_stride: int,
  counts: Counter[str],
) -> QuestionWindows:
  """Makes the windows of each question, in the order of the questions.

  Args:
    questions: about passages; those without a located answer point to [CLS].
    max_question_length: of these, tokens of the question; the rest is cut.
    doc_stride: tokens between the begins of a passage's windows.
    counts: receives `questions_cut`, `questions_split` (over several windows)
      and `answers_without_pieces` (such as a zero-width space: no label).

  Raises:
    InputError: see `check_room`.
  """
  check_room(max_seq_length, max_question_length, doc_stride)
  passages = _passages(questions, tokenizer)
  encoded = tokenizer.encode_batch([question.text for question in questions])
  head = np.asarray([tokenizer.cls_id], np.int32)
  sep = np.asarray([tokenizer.sep_id], np.int32)
  parts: list[np.ndarray] = []
  rows: list[tuple[int, ...]] = []
  for number, question in enumerate(questions):
    text = encoded[number][0]
    counts['questions_cut'] += len(text) > max_question_length
    text_ids = np.asarray(text[:max_question_length], np.int32)
    passage = passages.number[question.context]
    ids = passages.ids[passage]
    answer = _answer_pieces(question, passages, passage, counts)
    budget = max_seq_length - SPECIALS - len(text_ids)
    cuts = _layout(len(ids), budget, doc_stride)
    counts['questions_split'] += len(cuts) > 1
    prefix = len(text_ids) + 2
    for first, last, *own in cuts:
      parts += [head, text_ids, sep, ids[first:last], sep]
      places = _labels(answer, prefix, first, last)
      rows.append((number, prefix, first, last, *own, passage, *places))
  table = np.asarray(rows, np.int64).reshape(-1, 9)
  return _put_together(parts, table, passages)


def check_room(
  max_seq_length: int, max_question_length: int, doc_stride: int
) -> None:
  """Raises an InputError for lengths that lose tokens of a passage."""
  room = max_seq_length - SPECIALS - max_question_length
  if max_question_length < 1 or room < 1:
    raise InputError(
      f'data.max_question_length is {max_question_length}; with '
      f'data.max_seq_length {max_seq_length} it must lie between 1 and '
      f'{max_seq_length - SPECIALS - 1}'
    )
  if not 1 <= doc_stride <= room:
    raise InputError(
      f'data.doc_stride is {doc_stride}; beside a question of '
      f'{max_question_length} tokens a window of {max_seq_length} has room for '
      f'{room} of a passage, so it must lie between 1 and {room}'
    )


def _passages(
  questions: Sequence[Question], tokenizer: WordPieceTokenizer
) -> _Passages:
  texts = list(dict.fromkeys(question.context for question in questions))
  encoded = tokenizer.encode_batch(texts)
  lengths = [len(ids) for ids, _ in encoded]
  places = [place for _, spans in encoded for place in spans]
  spans = np.asarray(places, np.int32).reshape(-1, 2)
  return _Passages(
    {text: i for i, text in enumerate(texts)},
    [np.asarray(ids, np.int32) for ids, _ in encoded],
    np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]),
    np.ascontiguousarray(spans[:, 0]),
    np.ascontiguousarray(spans[:, 1]),
  )


def _answer_pieces(
  question: Question, passages: _Passages, passage: int, counts: Counter[str]
) -> tuple[int, int] | None:
  """First and last token of the answer; (-1, -1) for none, None: unknown."""
  answer = question.located
  if answer is None:
    return -1, -1
  within = slice(*passages.offsets[passage : passage + 2])
  begin, end = answer.start, answer.start + len(answer.text)
  first = int(np.searchsorted(passages.ends[within], begin, 'right'))
  last = int(np.searchsorted(passages.starts[within], end, 'left')) - 1
  if last < first:
    counts['answers_without_pieces'] += 1
    return None
  return first, last


@functools.lru_cache(maxsize=4096)
def _layout(
  length: int, budget: int, stride: int
) -> tuple[tuple[int, int, int, int], ...]:
  """For each window of a passage: its tokens, and those it owns."""
  cuts = [(0, min(length, budget))]
  while cuts[-1][1] < length:
    first = cuts[-1][0] + min(budget, stride)
    cuts.append((first, min(first + budget, length)))
  # Those of a window stand side by side: from token to token its score grows by
  # 1 and then falls, so that once overtaken by a later window it stays behind.
  owner = owners([1] * length, cuts)
  borders = np.searchsorted(owner, np.arange(len(cuts) + 1)).tolist()
  return tuple(
    (*cut, *own)
    for cut, own in zip(cuts, itertools.pairwise(borders), strict=True)
  )


def _labels(
  answer: tuple[int, int] | None, prefix: int, first: int, last: int
) -> tuple[int, int]:
  """Where in a window the answer starts and ends; -1: it has no label."""
  if answer is None:
    return -1, -1
  start, end = answer
  if first <= start and end < last:
    return prefix + start - first, prefix + end - first
  return 0, 0  # [CLS], also in version 1.1 (run_squad.py:365).


def _put_together(
  parts: list[np.ndarray], table: np.ndarray, passages: _Passages
) -> QuestionWindows:
  *columns, start, end = table.T
  _, prefix, first, last, *_ = columns
  lengths = prefix + last - first + 1
  offsets = np.concatenate([[0], np.cumsum(lengths)])
  total = int(offsets[-1])
  ids = np.concatenate(parts) if parts else np.zeros(0, np.int32)
  within = np.arange(total) - np.repeat(offsets[:-1], lengths)
  segments = (within >= np.repeat(prefix, lengths)).astype(np.int8)
  labels = np.zeros(total, np.int8)
  known = start >= 0
  labels[offsets[:-1][known] + start[known]] += START
  labels[offsets[:-1][known] + end[known]] += END
  numbers = np.arange(total, dtype=np.int32)
  return QuestionWindows(
    Windows(ids, numbers, offsets, total, segments),
    *(labels, *columns, passages.offsets, passages.starts, passages.ends),
  )

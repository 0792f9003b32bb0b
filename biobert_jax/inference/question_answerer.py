"""Questions about passages to ranked answers with character offsets."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

from biobert_jax.data.qa import features as qa_features
from biobert_jax.data.qa import span_decoding
from biobert_jax.data.qa.span_decoding import Answered
from biobert_jax.data.qa.squad import Question
from biobert_jax.inference import inputs
from biobert_jax.inference.model_runner import Model, ModelRunner, load_for
from biobert_jax.inference.question_files import (
  QuestionRequest,
  QuestionResult,
  Questions,
  QuestionStream,
  request_of,
)
from biobert_jax.tasks import qa

# Questions whose windows are packed and run together: bounds memory.
_CHUNK = 256


class QuestionAnswerer:
  """A fine-tuned model that finds answers in passages."""

  def __init__(
    self,
    model: Model,
    *,
    do_lower_case: bool | None = None,
    counts: Counter[str] | None = None,
  ):
    """Opens a model with a span head and compiles it.

    Args:
      model: the path of a work folder of `train`, an import, an export in any
        form or a Hugging Face folder; or what `load_pretrained` opened.
      do_lower_case: casing, where no file of the model states it.
      counts: receives the exceptions that `qa.features.encode` counts.

    Raises:
      InputError: no such model there.
    """
    opened = load_for('qa', model, do_lower_case)
    settings = opened.settings
    room = settings['max_seq_length'] - qa_features.SPECIALS
    self._question_length = min(settings['max_question_length'], room // 2)
    self._stride = min(settings['doc_stride'], room - self._question_length)
    self._rules = span_decoding.Rules(
      n_best=settings['n_best'],
      max_answer_length=settings['max_answer_length'],
      unanswerable=settings['squad_version'] == '2.0',
      null_threshold=settings['null_threshold'],
    )
    self._runner = ModelRunner('qa', opened)
    self._tokenizer = opened.tokenizer
    self._counts = Counter() if counts is None else counts

  @overload
  def __call__(
    self, *, question: str, context: str | Sequence[str]
  ) -> QuestionResult: ...
  @overload
  def __call__(self, questions: QuestionRequest) -> QuestionResult: ...
  @overload
  def __call__(self, questions: Questions) -> list[QuestionResult]: ...
  @overload
  def __call__(self, questions: QuestionStream) -> Iterator[QuestionResult]: ...

  def __call__(
    self,
    questions: Any = None,
    *,
    question: str | None = None,
    context: str | Sequence[str] | None = None,
  ) -> QuestionResult | list[QuestionResult] | Iterator[QuestionResult]:
    """Answers one question or many.

    Args:
      questions: a list or an iterator of pairs (question, context), or of what
        `question_files.read` reads.
      question: instead, one question.
      context: its passage; or several passages, whose answers are ranked
        together.

    Returns:
      The ranked answers of the question. A list gives a list, in its order; an
      iterator gives an iterator, which reads as it goes.

    Raises:
      TypeError: an input that is no question with a context.
    """
    given = questions if question is None else (question, context)
    is_one = question is not None or isinstance(given, QuestionRequest)
    return inputs.apply(given, is_one, request_of, self._stream)

  def _stream(
    self, requests: Iterable[QuestionRequest]
  ) -> Iterator[QuestionResult]:
    return inputs.in_chunks(requests, _CHUNK, self._results)

  def _results(self, chunk: list[QuestionRequest]) -> Iterator[QuestionResult]:
    answers = iter(self._answer([q for one in chunk for q in one.passages]))
    for request in chunk:
      of_request = itertools.islice(answers, len(request.passages))
      yield QuestionResult(request, tuple(of_request))

  def _answer(self, questions: list[Question]) -> list[Answered]:
    length = self._runner.max_seq_length
    windows = qa_features.encode(
      questions,
      self._tokenizer,
      max_seq_length=length,
      max_question_length=self._question_length,
      doc_stride=self._stride,
      counts=self._counts,
    )
    rows = qa.rows_of(
      windows,
      max_seq_length=length,
      max_sequences=self._runner.max_sequences,
      pack=self._runner.pack,
    )
    logits = qa.merge(self._runner(rows), windows.windows.num_words)
    return span_decoding.decode(questions, windows, *logits, self._rules)

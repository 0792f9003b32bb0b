"""Questions about passages to ranked answers, or to yes, no or maybe."""

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any, overload

from biobert_jax.data.packing import PackedRows
from biobert_jax.data.qa import features as qa_features
from biobert_jax.data.qa import span_decoding
from biobert_jax.data.qa.span_decoding import Answered
from biobert_jax.data.qa.squad import Question
from biobert_jax.data.yes_no import answer_aggregation
from biobert_jax.data.yes_no import features as yes_no_features
from biobert_jax.data.yes_no.features import QuestionPair
from biobert_jax.inference import inputs
from biobert_jax.inference.model_runner import Model, ModelRunner, load_for
from biobert_jax.inference.question_files import (
  Context,
  QuestionRequest,
  Questions,
  QuestionStream,
  request_of,
)
from biobert_jax.inference.results import QuestionResult, YesNoResult
from biobert_jax.tasks import qa
from biobert_jax.tasks.yes_no import YES_NO

# Questions that are packed and run together: bounds memory. Spans have several
# windows each; the largest benchmark of yes/no questions, PubMedQA, has 1,000.
_SPAN_CHUNK, _YES_NO_CHUNK = 256, 1024


class QuestionAnswerer:
  """A fine-tuned model that finds answers in passages."""

  def __init__(
    self,
    model: Model,
    *,
    do_lower_case: bool | None = None,
    counts: Counter[str] | None = None,
  ):
    """Opens a model with a span head, by arguments as a `Tagger`'s."""
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
  def __call__(self, *, question: str, context: Context) -> QuestionResult: ...
  @overload
  def __call__(self, questions: QuestionRequest) -> QuestionResult: ...
  @overload
  def __call__(self, questions: Questions) -> list[QuestionResult]: ...
  @overload
  def __call__(self, questions: QuestionStream) -> Iterator[QuestionResult]: ...

  def __call__(
    self, questions: Any = None, *, question: Any = None, context: Any = None
  ) -> Any:
    """Answers one question or many.

    Args:
      questions: a list or an iterator of pairs (question, context), or of what
        `question_files.read` reads; else give `question` and `context`.
      context: a passage; or several, whose answers are ranked together.

    Returns:
      The ranked answers of the question; a list or an iterator of them, which
      reads as it goes. A TypeError: an input is no question with a context.
    """
    if question is not None:
      questions = request_of(1, (question, context))
    stream = inputs.chunked(self._results, _SPAN_CHUNK)
    return inputs.apply(questions, request_of, stream)

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
    rows = PackedRows(
      windows.windows,
      windows.labels,
      max_seq_length=length,
      max_sequences=self._runner.max_sequences,
      pack=self._runner.pack,
    )
    logits = qa.merge(self._runner(rows), windows.windows.num_words)
    return span_decoding.decode(questions, windows, *logits, self._rules)


class YesNoAnswerer:
  """A fine-tuned model that answers questions by yes, no or maybe.

  `labels` are the answers it knows, `reasoning` the text of a PubMedQA record
  that it reads.
  """

  def __init__(
    self,
    model: Model,
    *,
    do_lower_case: bool | None = None,
    counts: Counter[str] | None = None,
  ):
    """Opens a classifier of question pairs, by arguments as a `Tagger`'s."""
    opened = load_for('yes_no', model, do_lower_case)
    # The head `yes_no` has a single logit, for yes.
    self.labels = YES_NO if opened.head == 'yes_no' else opened.labels
    self.reasoning: str = opened.settings['reasoning']
    self._runner = ModelRunner('yes_no', opened)
    self._tokenizer = opened.tokenizer
    self._counts = Counter() if counts is None else counts

  @overload
  def __call__(self, *, question: str, context: Context) -> YesNoResult: ...
  @overload
  def __call__(self, questions: QuestionRequest) -> YesNoResult: ...
  @overload
  def __call__(self, questions: Questions) -> list[YesNoResult]: ...
  @overload
  def __call__(self, questions: QuestionStream) -> Iterator[YesNoResult]: ...

  def __call__(
    self, questions: Any = None, *, question: Any = None, context: Any = None
  ) -> Any:
    """Answers by arguments as `QuestionAnswerer`'s, of the passages' mean."""
    if question is not None:
      questions = request_of(1, (question, context))
    stream = inputs.chunked(self._results, _YES_NO_CHUNK)
    return inputs.apply(questions, request_of, stream)

  def _results(self, chunk: list[QuestionRequest]) -> Iterator[YesNoResult]:
    # Numbered: users may give one question twice.
    pairs = [
      QuestionPair(q.id, str(number), q.text, q.context, '', '')
      for number, request in enumerate(chunk)
      for q in request.passages
    ]
    windows = yes_no_features.encode(
      pairs,
      self._tokenizer,
      max_seq_length=self._runner.max_seq_length,
      counts=self._counts,
    )
    logits = self._runner.predict_sequences(windows, 'logits', len(self.labels))
    decided = answer_aggregation.aggregate(pairs, logits, self.labels)
    for request, (label, probabilities, passages) in zip(
      chunk, decided.values(), strict=True
    ):
      shares = dict(zip(self.labels, probabilities, strict=True))
      yield YesNoResult(request, label, shares, passages)

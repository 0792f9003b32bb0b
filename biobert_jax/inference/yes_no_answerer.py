"""Questions about passages to answers: yes, no or maybe."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

from biobert_jax.data.yes_no import answer_aggregation
from biobert_jax.data.yes_no import features as yes_no_features
from biobert_jax.data.yes_no.features import QuestionPair
from biobert_jax.inference import inputs
from biobert_jax.inference.model_runner import Model, ModelRunner, load_for
from biobert_jax.inference.question_files import (
  QuestionRequest,
  Questions,
  QuestionStream,
  YesNoResult,
  request_of,
)
from biobert_jax.tasks.yes_no import YES_NO

# Questions that are packed and answered together: bounds memory. The largest
# benchmark, PubMedQA, has 1,000.
_CHUNK = 1024


class YesNoAnswerer:
  """A fine-tuned model that answers questions by yes, no or maybe.

  Attributes:
    labels: the answers it knows.
    reasoning: which text of a PubMedQA record it reads.
  """

  def __init__(
    self,
    model: Model,
    *,
    do_lower_case: bool | None = None,
    counts: Counter[str] | None = None,
  ):
    """Opens a classifier of questions with passages and compiles it.

    Args:
      model: the path of a work folder of `train`, an import, an export in any
        form or a Hugging Face folder; or what `load_pretrained` opened.
      do_lower_case: casing, where no file of the model states it.
      counts: receives the exceptions that `yes_no.features.encode` counts.

    Raises:
      InputError: no such classifier there.
    """
    opened = load_for('yes_no', model, do_lower_case)
    self.labels: tuple[str, ...] = opened.labels
    if opened.head == 'yes_no':  # A single logit, for yes.
      self.labels = YES_NO
    self.reasoning: str = opened.settings['reasoning']
    self._runner = ModelRunner('yes_no', opened)
    self._tokenizer = opened.tokenizer
    self._counts = Counter() if counts is None else counts

  @overload
  def __call__(
    self, *, question: str, context: str | Sequence[str]
  ) -> YesNoResult: ...
  @overload
  def __call__(self, questions: QuestionRequest) -> YesNoResult: ...
  @overload
  def __call__(self, questions: Questions) -> list[YesNoResult]: ...
  @overload
  def __call__(self, questions: QuestionStream) -> Iterator[YesNoResult]: ...

  def __call__(
    self,
    questions: Any = None,
    *,
    question: str | None = None,
    context: str | Sequence[str] | None = None,
  ) -> YesNoResult | list[YesNoResult] | Iterator[YesNoResult]:
    """Answers one question or many.

    Args:
      questions: a list or an iterator of pairs (question, context), or of what
        `question_files.read` reads.
      question: instead, one question.
      context: its passage; or several passages, whose logits are averaged.

    Returns:
      The answer with its probabilities. A list gives a list, in its order; an
      iterator gives an iterator, which reads as it goes.

    Raises:
      TypeError: an input that is no question with a context.
    """
    given = questions if question is None else (question, context)
    is_one = question is not None or isinstance(given, QuestionRequest)
    return inputs.apply(given, is_one, request_of, self._stream)

  def _stream(
    self, requests: Iterable[QuestionRequest]
  ) -> Iterator[YesNoResult]:
    return inputs.in_chunks(requests, _CHUNK, self._results)

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
    for request, decision in zip(chunk, decided.values(), strict=True):
      shares = zip(self.labels, decision.probabilities, strict=True)
      yield YesNoResult(
        request, decision.label, dict(shares), decision.passages
      )

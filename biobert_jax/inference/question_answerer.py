"""Questions and passages to ranked answers with character offsets."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import tqdm

from biobert_jax.checkpoints import detect as sources
from biobert_jax.checkpoints import huggingface, pretrained
from biobert_jax.data import counts as data_counts
from biobert_jax.data.qa import features as qa_features
from biobert_jax.data.qa import span_decoding as decoding
from biobert_jax.data.qa.span_decoding import Answered
from biobert_jax.data.qa.squad import Question
from biobert_jax.errors import InputError
from biobert_jax.inference import question_files
from biobert_jax.inference.model_runner import SpanRunner
from biobert_jax.inference.question_files import QuestionRequest, QuestionResult
from biobert_jax.tasks import qa

FORMATS: dict[str, Callable[..., Any]] = {
  'jsonl': question_files.write_jsonl,
  'squad': question_files.write_squad,
  'nbest': question_files.write_nbest,
}
# Questions whose windows are packed and run together: bounds memory.
_CHUNK = 256
# Where a model does not say (configs/common/qa.py).
_DEFAULTS = {
  'max_seq_length': 384,
  'max_question_length': 64,
  'doc_stride': 128,
  'max_answer_length': 30,
  'n_best': 20,
  'squad_version': '1.1',
  'null_threshold': 0.0,
  'max_sequences': 8,
}


class QuestionAnswerer:
  """A trained model that finds answers in passages."""

  def __init__(
    self,
    model: str,
    counts: Counter[str] | None = None,
    do_lower_case: bool | None = None,
  ):
    """Opens a model with a span head and compiles it.

    Args:
      model: a work folder of `train`, an import or export of one, a Hugging
        Face folder.
      counts: receives what `question_windows.encode` notices.
      do_lower_case: casing, where no file of the model states it.

    Raises:
      InputError: no such model there.
    """
    opened = pretrained.load_pretrained(model, do_lower_case)
    settings = {**_DEFAULTS, **opened.settings}
    positions = opened.bert.max_position_embeddings
    self._length = min(settings['max_seq_length'], positions)
    room = self._length - qa_features.SPECIALS
    self._question = min(settings['max_question_length'], room // 2)
    self._stride = min(settings['doc_stride'], room - self._question)
    self._rules = decoding.Rules(
      n_best=settings['n_best'],
      max_answer_length=settings['max_answer_length'],
      unanswerable=settings['squad_version'] == '2.0',
      null_threshold=settings['null_threshold'],
    )
    self._most = settings['max_sequences']
    self._run = SpanRunner(opened, self._length, self._most)
    self._tokenizer = opened.tokenizer
    self._counts = Counter() if counts is None else counts

  def __call__(
    self, source: Iterable[QuestionRequest]
  ) -> Iterator[QuestionResult]:
    """Yields what is said to each question.

    Args:
      source: questions with passages.

    Yields:
      In their order, the answers of each passage.
    """
    iterator = iter(source)
    while chunk := list(itertools.islice(iterator, _CHUNK)):
      flat = iter(self._answer([q for one in chunk for q in one.passages]))
      for one in chunk:
        found = itertools.islice(flat, len(one.passages))
        yield QuestionResult(one, tuple(found))

  def _answer(self, questions: list[Question]) -> list[Answered]:
    windows = qa_features.encode(
      questions,
      self._tokenizer,
      max_seq_length=self._length,
      max_question_length=self._question,
      doc_stride=self._stride,
      counts=self._counts,
    )
    rows = qa.rows_of(
      windows,
      max_seq_length=self._length,
      max_sequences=self._most,
      pack=self._run.pack,
    )
    logits = qa.merge(self._run(rows), windows.windows.num_words)
    return decoding.decode(questions, windows, *logits, self._rules)


def answers(model: str) -> bool:
  """Whether a model says of itself that it answers questions by spans."""
  found = sources.detect(model)
  if 'config' in found.record:
    return found.record['config'].get('task') == 'qa'
  if found.record:
    return found.record.get('head') == 'span'
  return huggingface.has_spans(found.folder)


def predict(
  model: str, source: str, output: str, form: str, casing: bool | None
) -> dict[str, Any]:
  """Answers the questions of a file.

  Args:
    model: any that `Answerer` opens.
    source: a file that `asked.read` takes; '-' is standard input.
    output: the file to write.
    form: a key of `FORMATS`.
    casing: where no file of the model states it.

  Returns:
    `{"output", "questions", "passages", "with_answer"}`.

  Raises:
    InputError: no model there, or unreadable questions.
  """
  if form not in FORMATS:
    raise InputError(
      f'--format is {form!r}; of answers choose from {sorted(FORMATS)}'
    )
  counts: Counter[str] = Counter()
  totals: Counter[str] = Counter()

  def counted() -> Iterator[QuestionResult]:
    # Only now: a writer has refused a wrong output by then.
    answerer = QuestionAnswerer(model, counts, casing)
    done = answerer(question_files.read(source, counts))
    # On a terminal only.
    for one in tqdm.tqdm(done, unit=' questions', disable=None):
      totals['questions'] += 1
      totals['passages'] += len(one.answered)
      totals['with_answer'] += one.has_answer
      yield one

  FORMATS[form](counted(), output)
  data_counts.log_counts(counts)
  names = ('questions', 'passages', 'with_answer')
  return {'output': output, **{name: totals[name] for name in names}}

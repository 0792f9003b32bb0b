"""Questions beside passages to answers: yes, no or maybe."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from biobert_jax.checkpoints import detect as sources
from biobert_jax.checkpoints import pretrained
from biobert_jax.data import counts as data_counts
from biobert_jax.data.packed_sequences import PackedSequences
from biobert_jax.data.yes_no import answer_aggregation
from biobert_jax.data.yes_no import features as yes_no_features
from biobert_jax.data.yes_no.answer_aggregation import YesNoAnswer
from biobert_jax.data.yes_no.features import QuestionPair
from biobert_jax.errors import InputError
from biobert_jax.inference import question_files
from biobert_jax.inference.model_runner import YesNoRunner
from biobert_jax.io.atomic import atomic_write
from biobert_jax.tasks.task import merge

_ANSWERS = {'yes', 'no', 'maybe'}


class YesNoAnswerer:
  """A trained model that answers questions by yes, no or maybe.

  Attributes:
    labels: the answers it knows.
    reasoning: which text of a PubMedQA record it reads.
  """

  def __init__(
    self,
    model: str,
    counts: Counter[str] | None = None,
    do_lower_case: bool | None = None,
  ):
    """Opens a classifier of questions beside passages and compiles it.

    Args:
      model: a work folder of `train`, an import, an export in any form, a
        Hugging Face folder.
      counts: receives what `question_pairs.encode` notices.
      do_lower_case: casing, where no file of the model states it.

    Raises:
      InputError: no such classifier there.
    """
    opened = pretrained.load_pretrained(model, do_lower_case)
    pretrained.check_known(opened)
    settings, positions = opened.settings, opened.bert.max_position_embeddings
    self._length = min(settings.get('max_seq_length', positions), positions)
    self._most = settings.get('max_sequences', 1)
    self.reasoning: str = settings.get('reasoning', 'required')
    self._run = YesNoRunner(opened, self._length, self._most)
    self.labels = tuple(self._run.labels)
    self._tokenizer = opened.tokenizer
    self._counts = Counter() if counts is None else counts

  def __call__(self, pairs: Sequence[QuestionPair]) -> dict[str, YesNoAnswer]:
    """Answers by question, in the order of their first passages."""
    windows = yes_no_features.encode(
      pairs,
      self._tokenizer,
      max_seq_length=self._length,
      counts=self._counts,
    )
    rows = PackedSequences(
      windows,
      np.zeros(len(pairs), np.int32),
      max_seq_length=self._length,
      max_sequences=self._most,
      pack=self._run.pack,
    )
    logits = merge(self._run(rows), 'logits', len(pairs), len(self.labels))
    return answer_aggregation.aggregate(pairs, logits, self.labels)


def decides(model: str) -> bool:
  """Whether a model answers by yes and no, as far as its files say."""
  found = sources.detect(model)
  if found.record.get('head') == 'yes_no':
    return True
  labels = {label.lower() for label in pretrained.source_labels(found)}
  return len(labels) > 1 and labels <= _ANSWERS


def _lines(
  decided: dict[str, YesNoAnswer],
  labels: Sequence[str],
  pairs: Sequence[QuestionPair],
) -> str:
  """A line of JSON for each question."""
  questions = {pair.question_id: pair.question for pair in pairs}
  lines = []
  for id_, decision in decided.items():
    shares = zip(labels, decision.probabilities, strict=True)
    record = {
      'id': id_,
      'question': questions[id_],
      'answer': decision.label,
      'probabilities': {label: round(share, 4) for label, share in shares},
      'passages': decision.passages,
    }
    lines.append(json.dumps(record, ensure_ascii=False) + '\n')
  return ''.join(lines)


FORMATS: dict[str, Callable[..., str]] = {
  'jsonl': _lines,
  # What PubMedQA's evaluation.py and biobert-jax prepare-submission read.
  'json': lambda decided, labels, pairs: answer_aggregation.answers_json(
    decided
  ),
}


def predict(
  model: str, source: str, output: str, form: str, casing: bool | None
) -> dict[str, Any]:
  """Answers the questions of a file.

  Args:
    model: any that `Decider` opens.
    source: a file that `asked.read` takes; '-' is standard input.
    output: the file to write.
    form: a key of `FORMATS`.
    casing: where no file of the model states it.

  Returns:
    `{"output", "questions", "passages", "answers"}`.

  Raises:
    InputError: no model there, or a file that cannot be read.
  """
  if form not in FORMATS:
    raise InputError(
      f'--format is {form!r}; of yes/no questions choose from {sorted(FORMATS)}'
    )
  counts: Counter[str] = Counter()
  with atomic_write(output) as file:
    decider = YesNoAnswerer(model, counts, casing)
    pairs = [
      QuestionPair(question.id, one.id, question.text, question.context, '', '')
      for one in question_files.read(source, counts, decider.reasoning)
      for question in one.passages
    ]
    decided = decider(pairs)
    file.write(FORMATS[form](decided, decider.labels, pairs))
  data_counts.log_counts(counts)
  answers = Counter(decision.label for decision in decided.values())
  return {
    'output': output,
    'questions': len(decided),
    'passages': len(pairs),
    'answers': dict(sorted(answers.items())),
  }

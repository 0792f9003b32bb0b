"""Answers to questions from the logits of their passages, and their files."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from biobert_jax.data.yes_no.features import QuestionPair
from biobert_jax.io.json_files import json_text


class YesNoAnswer(NamedTuple):
  """The answer to a question."""

  label: str  # The answer.
  probabilities: tuple[float, ...]  # Of each label, 0-1, of the mean logits.
  passages: int  # Number of passages that were read.


def aggregate(
  pairs: Sequence[QuestionPair], logits: np.ndarray, labels: Sequence[str]
) -> dict[str, YesNoAnswer]:
  """One answer to each question, in order, of the mean logits of its passages.

  With the labels 'no' and 'yes' it is yes where the mean is above 0, as in
  transform_n2b_yesno.py, which rounds logits to three decimals before. They are
  [pairs, C], for C labels.
  """
  places: dict[str, list[int]] = {}
  for i, pair in enumerate(pairs):
    places.setdefault(pair.question_id, []).append(i)
  answers = {}
  for question, rows in places.items():
    mean = logits[rows].astype(np.float64).mean(axis=0)
    shares = np.exp(mean - mean.max())
    shares /= shares.sum()
    label = labels[int(mean.argmax())]
    answers[question] = YesNoAnswer(label, tuple(shares.tolist()), len(rows))
  return answers


def answers_json(answers: Mapping[str, YesNoAnswer]) -> str:
  """Answers by question, as PubMedQA's evaluation.py reads them."""
  labels = {id_: answer.label for id_, answer in answers.items()}
  return json_text(labels, indent=1)


def predictions(
  answers: Mapping[str, YesNoAnswer],
  gold: Mapping[str, str],
  labels: Sequence[str],
) -> str:
  """Lines of id, passages, each label's probability, predicted and gold."""
  rows = ['\t'.join(('id', 'passages', *labels, 'predicted', 'gold'))]
  for id_, answer in answers.items():
    shares = (f'{share:.6f}' for share in answer.probabilities)
    passages = str(answer.passages)
    cells = (id_, passages, *shares, answer.label, gold[id_])
    rows.append('\t'.join(cells))
  return '\n'.join(rows) + '\n'


def mistakes(
  answers: Mapping[str, YesNoAnswer],
  gold: Mapping[str, str],
  pairs: Sequence[QuestionPair],
) -> str:
  """Lines of id, gold, predicted, its probability, question; surest first."""
  questions = {pair.question_id: pair.question for pair in pairs}
  rows = ['id\tgold\tpredicted\tprobability\tquestion']
  wrong = [id_ for id_, label in gold.items() if answers[id_].label != label]
  wrong.sort(key=lambda id_: -max(answers[id_].probabilities))
  for id_ in wrong:
    answer = answers[id_]
    share = f'{max(answer.probabilities):.4f}'
    question = ' '.join(questions[id_].split())
    rows.append('\t'.join((id_, gold[id_], answer.label, share, question)))
  return '\n'.join(rows) + '\n'

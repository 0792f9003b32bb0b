"""Question answering: the span of a passage that answers a question."""

import functools
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from biobert_jax.data import packing
from biobert_jax.data.packing import PackedRows
from biobert_jax.data.qa import features as qa_features
from biobert_jax.data.qa import span_decoding
from biobert_jax.data.qa import squad as corpus
from biobert_jax.data.qa.features import END, START, QuestionWindows
from biobert_jax.data.qa.span_decoding import Answered
from biobert_jax.data.qa.squad import Question
from biobert_jax.errors import COUNT, FRACTION, InputError, one_of
from biobert_jax.metrics import squad
from biobert_jax.models.config import BertConfig
from biobert_jax.models.heads import SpanClassifier
from biobert_jax.tasks import datasets, losses
from biobert_jax.tasks.task import (
  Arrays,
  Outputs,
  Scored,
  Shapes,
  Task,
  scatter,
)
from biobert_jax.text.wordpiece import WordPieceTokenizer

_log = logging.getLogger(__name__)
PANELS = (
  ('loss (nats per pointer)', ('train/loss',)),
  (
    'dev set, answers (%)',
    ('devel/exact_match', 'devel/exact', 'devel/f1'),
  ),
  ('learning rate', ('train/learning_rate',)),
)
RANGES = {
  'data.squad_version': one_of(corpus.VERSIONS),
  'data.max_broken': FRACTION,
  'data.max_sequences': COUNT,
  'data.n_best': COUNT,
  'data.max_answer_length': COUNT,
}


def make_task(
  bert: BertConfig, labels: tuple[str, ...], *, max_sequences: int
) -> Task:
  """The compiled part of the task.

  Args:
    bert: architecture of the encoder.
    labels: none; spans have no classes.
    max_sequences: the most windows that are packed together.

  Returns:
    The record that `train` and `evaluate` run. Its loss is the mean over the
    windows of the global batch of half the cross-entropies of start and end
    (run_squad.py:653), each over the tokens of its window alone, however
    windows are packed. The reference's softmax includes padding.
  """
  del labels

  def marked(batch: Arrays, bit: int) -> jax.Array:
    # -1 is padding, of which every bit is set.
    return (batch['labels'] > 0) & (batch['labels'] & bit > 0)

  def normalizers(batch: Arrays) -> Arrays:
    count = jnp.sum(marked(batch, START), dtype=jnp.float32)
    return {'loss': count, 'start_accuracy': count, 'end_accuracy': count}

  def sums(logits: jax.Array, batch: Arrays) -> Arrays:
    found = {}
    for i, bit in enumerate((START, END)):
      where = (batch['sequence_ids'], marked(batch, bit), max_sequences)
      found[bit] = (
        losses.pointer_cross_entropy_sum(logits[..., i], *where),
        losses.pointer_correct_sum(logits[..., i], *where),
      )
    return {
      'loss': (found[START][0] + found[END][0]) / 2,
      'start_accuracy': found[START][1],
      'end_accuracy': found[END][1],
    }

  def predict(logits: jax.Array, batch: Arrays) -> Arrays:
    del batch
    return {'start_logit': logits[..., 0], 'end_logit': logits[..., 1]}

  return Task('qa', SpanClassifier(bert), ('loss',), normalizers, sums, predict)


def validate(config: ConfigDict) -> None:
  """Checks that question and stride leave room for a passage.

  Raises:
    InputError: names the key, its value and the remedy.
  """
  data = config.data
  qa_features.check_room(
    data.max_seq_length, data.max_question_length, data.doc_stride
  )


def task_of(
  config: ConfigDict,
  bert: BertConfig,
  labels: tuple[str, ...],
  tokenizer: WordPieceTokenizer,
) -> Task:
  """The task of a config; see `make_task`."""
  del tokenizer
  return make_task(bert, labels, max_sequences=config.data.max_sequences)


def rules_of(data: ConfigDict) -> span_decoding.Rules:
  """How the answers of a config are chosen."""
  return span_decoding.Rules(
    n_best=data.n_best,
    max_answer_length=data.max_answer_length,
    unanswerable=data.squad_version == '2.0',
    null_threshold=data.null_threshold,
  )


def tokenizer_of(config: ConfigDict) -> WordPieceTokenizer:
  """A tokenizer with a vocabulary of the training split's words."""
  questions = read(config, config.data.train_split, Counter())
  texts = [question.text for question in questions]
  texts += dict.fromkeys(question.context for question in questions)
  return datasets.build_tokenizer(config, texts)


def read(
  config: ConfigDict, split: str, counts: Counter[str]
) -> list[Question]:
  """The questions of a split: 'train', 'devel', 'test' or 'train_dev'.

  Raises:
    InputError: with the file and the place in it.
  """
  data, folder = config.data, datasets.data_folder(config)
  parts = ('train', 'devel') if split == 'train_dev' else (split,)
  paths: list[str] = []
  for part in parts:
    if f'{part}_files' not in data:
      raise InputError(
        f'split {split!r}; choose from train, devel, test, train_dev'
      )
    paths += corpus.find_files(folder, data[f'{part}_files'])
  training = split == data.train_split
  form = corpus.SquadRules(data.squad_version, training, data.max_broken)
  return corpus.read_files(paths, counts, form)


def shapes_of(config: ConfigDict, batch_size: int) -> Shapes:
  """Shapes of a batch's device arrays, without reading the corpus."""
  return packing.feature_shapes(batch_size, config.data.max_seq_length)


class QaDataset:
  """The corpus of a config: batches to train on, outputs to score."""

  labels: tuple[str, ...] = ()

  def __init__(
    self,
    config: ConfigDict,
    tokenizer: WordPieceTokenizer,
    labels: tuple[str, ...] | None = None,
    splits: tuple[str, ...] = (),
  ):
    """Reads and checks splits; see `TaskModule.dataset_of`."""
    del labels  # Spans have none.
    self.counts: Counter[str] = Counter()
    self._config, self._tokenizer = config, tokenizer
    self.questions = {
      split: read(config, split, self.counts)
      for split in splits or datasets.named_splits(config)
    }
    train = self.questions.get(config.data.train_split)
    test = self.questions.get(config.data.test_split)
    if train is not None and test is not None:
      shared = {question.context for question in train}
      self.counts['test_questions_on_passages_of_train'] = sum(
        question.context in shared for question in test
      )
    self.sha256 = datasets.digest(
      {
        split: _records(questions)
        for split, questions in self.questions.items()
      }
    )
    self._windows = functools.cache(self._encode)
    self.rows = functools.cache(self._rows)

  def _encode(self, split: str) -> QuestionWindows:
    data = self._config.data
    return qa_features.encode(
      self.questions[split],
      self._tokenizer,
      max_seq_length=data.max_seq_length,
      max_question_length=data.max_question_length,
      doc_stride=data.doc_stride,
      counts=self.counts,
    )

  def _rows(self, split: str) -> PackedRows:
    """Packs a split; see `Dataset.rows`."""
    data = self._config.data
    windows = self._windows(split)
    rows = rows_of(
      windows,
      max_seq_length=data.max_seq_length,
      max_sequences=data.max_sequences,
      pack=data.pack,
      seed=self._config.seed,
    )
    count = len(self.questions[split])
    datasets.log_packing(
      split, f'{count} questions, {len(windows)} windows', rows
    )
    return rows

  def answers(self, split: str, outputs: Outputs) -> list[Answered]:
    """The answers to each question of a split.

    Args:
      split: its name.
      outputs: its batches with the predictions for them.
    """
    windows = self._windows(split)
    logits = merge(outputs, windows.windows.num_words)
    rules = rules_of(self._config.data)
    return span_decoding.decode(self.questions[split], windows, *logits, rules)

  def score(self, split: str, outputs: Outputs) -> Scored:
    """The official metrics; the predictions; the list of errors."""
    questions = self.questions[split]
    answered = self.answers(split, outputs)
    version = self._config.data.squad_version
    unanswerable = version == '2.0'
    files = span_decoding.prediction_files(questions, answered, unanswerable)
    files = {f'{name}_{split}.json': text for name, text in files.items()}
    scores: dict[str, Any] = {'questions': len(questions)}
    pairs = [*zip(questions, answered, strict=True)]
    # The script of version 1.1 refuses questions without an answer.
    scored = [(q, a) for q, a in pairs if unanswerable or q.answers]
    scores['questions_without_gold'] = len(pairs) - len(scored)
    if not any(question.answers for question in questions):
      _log.info(
        '%s: no gold answers; writing predictions without a score', split
      )
      return Scored(scores, 0.0, files)
    report = squad.evaluate(
      {q.id: [answer.text for answer in q.answers] for q, _ in scored},
      {q.id: a.chosen.text for q, a in scored},
      version=version,
      # The chosen answers have applied the threshold already.
      null_odds={q.id: a.null_odds for q, a in scored}
      if unanswerable
      else None,
      threshold=float('inf'),
      bootstrap=datasets.BOOTSTRAP,
    )
    files[f'errors_{split}.tsv'] = _errors(scored, version)
    scores = squad.as_dict(report) | scores
    return Scored(scores, report.overall.f1, files)


dataset_of = QaDataset


def rows_of(
  windows: QuestionWindows,
  *,
  max_seq_length: int,
  max_sequences: int,
  pack: bool,
  seed: int = 0,
) -> PackedRows:
  """Packs windows of questions; see `packing.PackedRows`."""
  return PackedRows(
    windows.windows,
    windows.labels,
    max_seq_length=max_seq_length,
    pack=pack,
    seed=seed,
    max_sequences=max_sequences,
  )


def merge(outputs: Outputs, num_tokens: int) -> tuple[np.ndarray, np.ndarray]:
  """Start and end logits of every token.

  Args:
    outputs: batches with the predictions for them.
    num_tokens: tokens of all windows.

  Returns:
    Two float32 arrays [num_tokens].

  Raises:
    RuntimeError: a token without its logits; a fault of ours.
  """
  names, unit = ('start_logit', 'end_logit'), 'tokens of passages'
  start, end = scatter(outputs, names, 'words', (num_tokens,), unit)
  return start, end


def _records(questions: Sequence[Question]) -> Iterator[str]:
  """Records of the digest: each passage once, and its questions."""
  context = None
  for question in questions:
    if question.context != context:
      context = question.context
      yield context
    gold = [(answer.text, answer.start) for answer in question.answers]
    yield f'{question.id}\t{question.text}\t{gold}'


def _errors(scored: Sequence[tuple[Question, Answered]], version: str) -> str:
  """One line per answer that is not exact, most confident errors first."""
  names = ('id', 'f1', 'probability', 'predicted', 'gold', 'question')
  rows = ['\t'.join((*names, 'file', 'place'))]
  for question, answer in sorted(
    scored, key=lambda pair: -pair[1].chosen.probability
  ):
    gold = [span.text for span in question.answers]
    exact, f1 = squad.compare(answer.chosen.text, gold or [''], version)
    if not exact:
      cells = (
        *(question.id, f'{100 * f1:.2f}', f'{answer.chosen.probability:.4f}'),
        *(answer.chosen.text, ' | '.join(dict.fromkeys(gold)), question.text),
        *(question.path.rsplit('/', 1)[-1], question.place),
      )
      rows.append('\t'.join(' '.join(cell.split()) for cell in cells))
  return '\n'.join(rows) + '\n'

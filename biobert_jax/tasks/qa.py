"""Question answering: where in a passage the answer stands."""

import functools
import hashlib
import logging
from collections import Counter
from collections.abc import Sequence
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
from biobert_jax.errors import InputError
from biobert_jax.metrics import squad as metrics
from biobert_jax.models.config import BertConfig
from biobert_jax.models.heads import SpanClassifier
from biobert_jax.tasks import losses
from biobert_jax.tasks.task import Arrays, Outputs, Scored, Task
from biobert_jax.text.vocabulary import build_vocabulary
from biobert_jax.text.wordpiece import WordPieceTokenizer

_log = logging.getLogger(__name__)
_BOOTSTRAP = 1000
# What `curves.png` shows: (title, figures).
PANELS = (
  ('loss (nats a pointer)', ('train/loss',)),
  (
    'devel, answers (%)',
    ('devel/exact_match', 'devel/exact', 'devel/f1'),
  ),
  ('learning rate', ('train/learning_rate',)),
)


def make_task(
  bert: BertConfig, labels: tuple[str, ...], *, max_sequences: int
) -> Task:
  """The pure half of the task.

  Args:
    bert: the encoder's architecture.
    labels: none: spans have no classes.
    max_sequences: windows of a row, at most.

  Returns:
    The record that `train` and `evaluate` run. Its loss is the mean over the
    windows of the global batch of half the cross-entropies of start and end
    (run_squad.py:653), each over the pieces of its window alone, however
    windows are packed. The reference's softmax takes in padding too.
  """
  del labels

  def marked(batch: Arrays, bit: int) -> jax.Array:
    # -1 is padding, of which every bit is set.
    return (batch['labels'] > 0) & (batch['labels'] & bit > 0)

  def weights(batch: Arrays) -> Arrays:
    count = jnp.sum(marked(batch, START), dtype=jnp.float32)
    return {'loss': count, 'start_accuracy': count, 'end_accuracy': count}

  def sums(logits: jax.Array, batch: Arrays) -> Arrays:
    found = {}
    for place, bit in enumerate((START, END)):
      where = (batch['sequence_ids'], marked(batch, bit), max_sequences)
      found[bit] = (
        losses.pointer_cross_entropy_sum(logits[..., place], *where),
        losses.pointer_correct_sum(logits[..., place], *where),
      )
    return {
      'loss': (found[START][0] + found[END][0]) / 2,
      'start_accuracy': found[START][1],
      'end_accuracy': found[END][1],
    }

  def predict(logits: jax.Array, batch: Arrays) -> Arrays:
    del batch
    return {'start_logit': logits[..., 0], 'end_logit': logits[..., 1]}

  return Task('qa', SpanClassifier(bert), ('loss',), weights, sums, predict)


def validate(config: ConfigDict) -> None:
  """Refuses values of `data` outside their range.

  Raises:
    InputError: names the key, its value and its range.
  """
  data = config.data
  if data.squad_version not in corpus.VERSIONS:
    raise InputError(
      f'data.squad_version is {data.squad_version!r}; choose from '
      f'{corpus.VERSIONS}'
    )
  if not 0 <= data.max_broken < 1:
    raise InputError(
      f'data.max_broken is {data.max_broken}; it must lie in [0, 1)'
    )
  for name in ('max_sequences', 'n_best', 'max_answer_length'):
    if data[name] < 1:
      raise InputError(f'data.{name} is {data[name]}; it must be at least 1')
  qa_features.check_room(
    data.max_seq_length, data.max_question_length, data.doc_stride
  )


def task_of(
  config: ConfigDict,
  bert: BertConfig,
  labels: tuple[str, ...],
  tokenizer: WordPieceTokenizer,
) -> Task:
  """The record of an experiment; see `make_task`."""
  del tokenizer
  return make_task(bert, labels, max_sequences=config.data.max_sequences)


def rules_of(data: ConfigDict) -> span_decoding.Rules:
  """How an experiment chooses answers."""
  return span_decoding.Rules(
    n_best=data.n_best,
    max_answer_length=data.max_answer_length,
    unanswerable=data.squad_version == '2.0',
    null_threshold=data.null_threshold,
  )


def tokenizer_of(config: ConfigDict) -> WordPieceTokenizer:
  """A vocabulary of the training split's words, where none is given."""
  _log.info('no init_from, no vocab.path: building a vocabulary')
  questions = read(config, config.data.train_split, Counter())
  lower = bool(config.vocab.do_lower_case)
  texts = [question.text for question in questions]
  texts += dict.fromkeys(question.context for question in questions)
  return WordPieceTokenizer(
    build_vocabulary(texts, config.vocab.size, lower), lower
  )


def splits_of(config: ConfigDict) -> tuple[str, ...]:
  """The splits that a training run reads: train, then those it scores."""
  data = config.data
  named = (data.train_split, data.devel_split, data.test_split)
  return tuple(split for split in named if split)


def read(
  config: ConfigDict, split: str, counts: Counter[str]
) -> list[Question]:
  """The questions of a split: 'train', 'devel', 'test' or 'train_dev'.

  Raises:
    InputError: with the file and the place in it.
  """
  data = config.data
  if not data.dir:
    raise InputError('data.dir is not set; give --config.data.dir=DIR')
  parts = ('train', 'devel') if split == 'train_dev' else (split,)
  paths: list[str] = []
  for part in parts:
    if f'{part}_files' not in data:
      raise InputError(
        f'split {split!r}; choose from train, devel, test, train_dev'
      )
    paths += corpus.find_files(data.dir, data[f'{part}_files'])
  training = split == data.train_split
  form = corpus.SquadRules(data.squad_version, training, data.max_broken)
  return corpus.read_files(paths, counts, form)


def dataset_of(
  config: ConfigDict,
  tokenizer: WordPieceTokenizer,
  labels: tuple[str, ...] | None = None,
  splits: tuple[str, ...] = (),
) -> 'QaDataset':
  """The corpus of an experiment."""
  del labels
  return QaDataset(config, tokenizer, splits)


def shapes_of(
  config: ConfigDict, batch_size: int
) -> dict[str, tuple[int, ...]]:
  """Shapes of a batch, without the corpus that it is drawn from."""
  return packing.feature_shapes(batch_size, config.data.max_seq_length)


class QaDataset:
  """The corpus of a config: rows to train on, outputs to score."""

  labels: tuple[str, ...] = ()

  def __init__(
    self,
    config: ConfigDict,
    tokenizer: WordPieceTokenizer,
    splits: tuple[str, ...] = (),
  ):
    """Reads and checks every split that the run will need.

    Args:
      config: `data` and `seed` of the experiment.
      tokenizer: text to pieces.
      splits: which splits to read; by default all that the config names.

    Raises:
      InputError: with the file and the place in it.
    """
    splits = splits or splits_of(config)
    self.counts: Counter[str] = Counter()
    self._config, self._tokenizer = config, tokenizer
    self.questions = {s: read(config, s, self.counts) for s in splits}
    train = self.questions.get(config.data.train_split)
    test = self.questions.get(config.data.test_split)
    if train is not None and test is not None:
      shared = {question.context for question in train}
      self.counts['test_questions_on_passages_of_train'] = sum(
        question.context in shared for question in test
      )
    self.sha256 = _digest(self.questions)
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
    _log.info(
      '%s: %d questions, %d windows in %d rows of %d, %.2f %% padding',
      *(split, len(self.questions[split]), len(windows)),
      *(rows.num_rows, data.max_seq_length, 100 * (1 - rows.fill)),
    )
    return rows

  def answers(self, split: str, outputs: Outputs) -> list[Answered]:
    """What is said of each question of a split.

    Args:
      split: that the outputs are of.
      outputs: batches with what the device predicted for them.
    """
    windows = self._windows(split)
    logits = merge(outputs, windows.windows.num_words)
    rules = rules_of(self._config.data)
    return span_decoding.decode(self.questions[split], windows, *logits, rules)

  def score(self, split: str, outputs: Outputs) -> Scored:
    """The official figures; what was predicted; the list of mistakes."""
    questions = self.questions[split]
    answered = self.answers(split, outputs)
    version = self._config.data.squad_version
    unanswerable = version == '2.0'
    files = span_decoding.prediction_files(questions, answered, unanswerable)
    files = {f'{name}_{split}.json': text for name, text in files.items()}
    figures: dict[str, Any] = {'questions': len(questions)}
    pairs = [*zip(questions, answered, strict=True)]
    # Of version 1.1 the script takes no question without an answer.
    scored = [(q, a) for q, a in pairs if unanswerable or q.answers]
    figures['questions_without_gold'] = len(pairs) - len(scored)
    if not any(question.answers for question in questions):
      _log.info('%s: has no gold answers; it is answered, not scored', split)
      return Scored(figures, 0.0, files)
    report = metrics.evaluate(
      {q.id: [answer.text for answer in q.answers] for q, _ in scored},
      {q.id: a.chosen.text for q, a in scored},
      version=version,
      # As a threshold of their own: the chosen answers have seen it already.
      null_odds={q.id: a.null_odds for q, a in scored}
      if unanswerable
      else None,
      threshold=float('inf'),
      bootstrap=_BOOTSTRAP,
    )
    files[f'errors_{split}.tsv'] = _mistakes(scored, version)
    figures = metrics.as_dict(report) | figures
    return Scored(figures, report.overall.f1, files)


def rows_of(
  windows: QuestionWindows,
  *,
  max_seq_length: int,
  max_sequences: int,
  pack: bool,
  seed: int = 0,
) -> PackedRows:
  """Windows of questions as rows; see `packing.PackedRows`."""
  return PackedRows(
    windows.windows,
    windows.labels,
    max_seq_length=max_seq_length,
    pack=pack,
    seed=seed,
    max_windows=max_sequences,
  )


def merge(outputs: Outputs, num_pieces: int) -> tuple[np.ndarray, np.ndarray]:
  """Outputs of rows -> start and end logits of every piece.

  Args:
    outputs: batches with what the device predicted for them.
    num_pieces: of all windows.

  Returns:
    Two float32 arrays [num_pieces].

  Raises:
    RuntimeError: a piece without its logits; a fault of ours.
  """
  logits = np.full((2, num_pieces), np.nan, np.float32)
  for batch, predicted in outputs:
    places = batch['words'] >= 0
    words = batch['words'][places]
    logits[0, words] = predicted['start_logit'][places]
    logits[1, words] = predicted['end_logit'][places]
  if np.any(np.isnan(logits)):
    missing = int(np.isnan(logits).any(axis=0).sum())
    raise RuntimeError(f'{missing} pieces of passages got no prediction')
  return logits[0], logits[1]


def _digest(splits: dict[str, list[Question]]) -> str:
  digest = hashlib.sha256()
  for split, questions in splits.items():
    digest.update(f'{split}\n'.encode())
    context = None
    for question in questions:
      if question.context != context:  # Once for all questions about it.
        context = question.context
        digest.update(f'{context}\n'.encode())
      gold = [(answer.text, answer.start) for answer in question.answers]
      line = f'{question.id}\t{question.text}\t{gold}\n'
      digest.update(line.encode())
  return digest.hexdigest()


def _mistakes(scored: Sequence[tuple[Question, Answered]], version: str) -> str:
  """A line for each answer that is not exact, the surest mistakes first."""
  names = ('id', 'f1', 'probability', 'predicted', 'gold', 'question')
  rows = ['\t'.join((*names, 'file', 'place'))]
  surest = sorted(scored, key=lambda pair: -pair[1].chosen.probability)
  for question, said in surest:
    gold = [answer.text for answer in question.answers]
    exact, f1 = metrics.compare(said.chosen.text, gold or [''], version)
    if not exact:
      cells = (
        *(question.id, f'{100 * f1:.2f}', f'{said.chosen.probability:.4f}'),
        *(said.chosen.text, ' | '.join(dict.fromkeys(gold)), question.text),
        *(question.path.rsplit('/', 1)[-1], question.place),
      )
      rows.append('\t'.join(' '.join(cell.split()) for cell in cells))
  return '\n'.join(rows) + '\n'

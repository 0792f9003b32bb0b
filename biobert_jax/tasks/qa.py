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

from biobert_jax.data.packing import PackedRows
from biobert_jax.data.qa import features as qa_features
from biobert_jax.data.qa import span_decoding
from biobert_jax.data.qa import squad as corpus
from biobert_jax.data.qa.features import END, START, QuestionWindows
from biobert_jax.data.qa.span_decoding import Answered
from biobert_jax.data.qa.squad import Question
from biobert_jax.errors import COUNT, FRACTION, InputError, Range, one_of
from biobert_jax.metrics import squad
from biobert_jax.models.config import BertConfig
from biobert_jax.models.heads import module_of
from biobert_jax.tasks import datasets, losses
from biobert_jax.tasks.task import Arrays, Dataset, Names, Outputs, Scored, Task
from biobert_jax.text.wordpiece import WordPieceTokenizer

_log = logging.getLogger(__name__)
PANELS = (
  ('loss (nats per pointer)', ('train/loss',)),
  ('dev set, answers (%)', ('devel/exact_match', 'devel/exact', 'devel/f1')),
)
RANGES = {
  'data.squad_version': one_of(corpus.VERSIONS),
  'data.max_broken': FRACTION,
  'data.max_sequences': COUNT,
  'data.n_best': COUNT,
  'data.max_answer_length': COUNT,
  'data.null_threshold': Range(lambda x: x == x, 'NaN compares with nothing'),
}
# Keys of `data` that cut a passage into windows.
_WINDOWS = ('max_seq_length', 'max_question_length', 'doc_stride')
shapes_of = datasets.token_shapes


def make_task(bert: BertConfig, max_sequences: int) -> Task:
  """The compiled part of the task.

  Its loss is the mean over the windows of the global batch of half the
  cross-entropies of start and end (run_squad.py:653), each over the tokens of
  its window alone, however windows are packed. The reference's softmax includes
  padding. At most `max_sequences` windows are packed together.
  """

  def marked(batch: Arrays, bit: int) -> jax.Array:
    # -1 is padding, of which every bit is set.
    return (batch['labels'] > 0) & (batch['labels'] & bit > 0)

  def normalizers(batch: Arrays) -> Arrays:
    count = jnp.sum(marked(batch, START), dtype=jnp.float32)
    return {'loss': count, 'start_accuracy': count, 'end_accuracy': count}

  def sums(logits: jax.Array, batch: Arrays) -> Arrays:
    found = []
    for i, bit in enumerate((START, END)):
      where = (batch['sequence_ids'], marked(batch, bit), max_sequences)
      found += [
        losses.pointer_cross_entropy_sum(logits[..., i], *where),
        losses.pointer_correct_sum(logits[..., i], *where),
      ]
    start_loss, start, end_loss, end = found
    loss = (start_loss + end_loss) / 2
    return {'loss': loss, 'start_accuracy': start, 'end_accuracy': end}

  def predict(logits: jax.Array, _: Arrays) -> Arrays:
    return {'start_logit': logits[..., 0], 'end_logit': logits[..., 1]}

  return Task(module_of('span', bert), predict, sums, normalizers)


def validate(config: ConfigDict) -> None:
  """Checks that question and stride leave room for a passage."""
  data = config.data
  qa_features.check_room(*(data[name] for name in _WINDOWS))


def task_of(
  config: ConfigDict,
  bert: BertConfig,
  labels: Names,
  tokenizer: WordPieceTokenizer,
) -> Task:
  """The task of a config; see `make_task`."""
  del labels, tokenizer
  return make_task(bert, config.data.max_sequences)


def tokenizer_of(config: ConfigDict) -> WordPieceTokenizer:
  """A tokenizer with a vocabulary of the training split's words."""
  questions = _read(config, config.data.train_split, Counter())
  texts = [question.text for question in questions]
  texts += dict.fromkeys(question.context for question in questions)
  return datasets.build_tokenizer(config, texts)


def _read(
  config: ConfigDict, split: str, counts: Counter[str]
) -> list[Question]:
  """The questions of a split: 'train', 'devel', 'test' or 'train_dev'."""
  data, folder = config.data, datasets.data_folder(config)
  paths: list[str] = []
  for part in ('train', 'devel') if split == 'train_dev' else (split,):
    if f'{part}_files' not in data:
      what = f'split {split!r}; choose from train, devel, test, train_dev'
      raise InputError(what)
    paths += corpus.find_files(folder, data[f'{part}_files'])
  training = split == data.train_split
  form = corpus.SquadRules(data.squad_version, training, data.max_broken)
  return corpus.read_files(paths, counts, form)


def dataset_of(
  config: ConfigDict,
  tokenizer: WordPieceTokenizer,
  labels: Names | None = None,
  splits: Names = (),
) -> Dataset:
  """Reads and checks splits; see `TaskModule.dataset_of`."""
  del labels  # Spans have none.
  data = config.data
  examples, counts = datasets.read_splits(config, splits, _read)
  if data.train_split in examples and data.test_split in examples:
    shared = {question.context for question in examples[data.train_split]}
    counts['test_questions_on_passages_of_train'] = sum(
      question.context in shared for question in examples[data.test_split]
    )

  @functools.cache
  def windows_of(split: str) -> QuestionWindows:
    options = {name: data[name] for name in _WINDOWS}
    found = examples[split]
    return qa_features.encode(found, tokenizer, counts=counts, **options)

  def rows(split: str) -> PackedRows:
    windows = windows_of(split)
    contents = f'{len(examples[split])} questions, {len(windows)} windows'
    given = (config, split, contents, windows.windows, windows.labels)
    return datasets.pack(*given, max_sequences=data.max_sequences)

  def score(split: str, outputs: Outputs) -> Scored:
    return _score(data, split, examples[split], windows_of(split), outputs)

  sha256 = datasets.digest(examples, _records)
  return Dataset((), examples, counts, sha256, functools.cache(rows), score)


def _score(
  data: ConfigDict,
  split: str,
  questions: Sequence[Question],
  windows: QuestionWindows,
  outputs: Outputs,
) -> Scored:
  version, unanswerable = data.squad_version, data.squad_version == '2.0'
  logits = merge(outputs, windows.windows.num_words)
  rules = span_decoding.Rules(
    n_best=data.n_best,
    max_answer_length=data.max_answer_length,
    unanswerable=unanswerable,
    null_threshold=data.null_threshold,
  )
  answered = span_decoding.decode(questions, windows, *logits, rules)
  files = span_decoding.prediction_files(questions, answered, unanswerable)
  files = {f'{name}_{split}.json': text for name, text in files.items()}
  pairs = [*zip(questions, answered, strict=True)]
  # The script of version 1.1 refuses questions without an answer.
  scored = [(q, a) for q, a in pairs if unanswerable or q.answers]
  scores: dict[str, Any] = {'questions': len(pairs)}
  scores['questions_without_gold'] = len(pairs) - len(scored)
  if not any(question.answers for question in questions):
    _log.info('%s: no gold answers; writing predictions without a score', split)
    return Scored(scores, 0.0, files)
  report = squad.evaluate(
    {q.id: [answer.text for answer in q.answers] for q, _ in scored},
    {q.id: a.chosen.text for q, a in scored},
    version=version,
    null_odds={q.id: a.null_odds for q, a in scored} if unanswerable else None,
    # The chosen answers have applied the threshold already.
    threshold=float('inf'),
    bootstrap=datasets.BOOTSTRAP,
  )
  files[f'errors_{split}.tsv'] = _errors(scored, version)
  return Scored(squad.as_dict(report) | scores, report.overall.f1, files)


def merge(outputs: Outputs, num_tokens: int) -> tuple[np.ndarray, np.ndarray]:
  """Start and end logits (float32) of every token of all windows."""
  shapes = dict.fromkeys(('start_logit', 'end_logit'), (num_tokens,))
  unit = 'tokens of passages'
  start, end = datasets.scatter(outputs, shapes, 'words', unit)
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

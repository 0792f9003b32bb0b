"""From a config, or a work folder, to what the programs run.

Everything a user can get wrong is checked here, before any compilation.
"""

import dataclasses
import logging
import math
from typing import Any

from ml_collections import ConfigDict

from biobert_jax.checkpoints.detect import COMPILED, Source, detect
from biobert_jax.errors import InputError
from biobert_jax.models import splash_attention
from biobert_jax.models.config import DTYPES, BertConfig
from biobert_jax.tasks import ner, pretraining, qa, relation, yes_no
from biobert_jax.tasks.task import Dataset, Task
from biobert_jax.text.vocabulary import SPECIALS
from biobert_jax.text.wordpiece import WordPieceTokenizer, check_vocab_size

_log = logging.getLogger(__name__)

TASKS: dict[str, Any] = {
  'ner': ner,
  'pretraining': pretraining,
  'qa': qa,
  'relation': relation,
  'yes_no': yes_no,
}
# Keys of `compute` that an architecture takes.
_COMPUTE = (
  *('dtype', 'param_dtype', 'attention', 'scan_layers', 'remat'),
  'scores_dtype',
)
RNGS = ('threefry2x32', 'rbg', 'unsafe_rbg')


@dataclasses.dataclass(frozen=True)
class Experiment:
  """A config made concrete.

  Attributes:
    config: every key resolved.
    bert: the architecture.
    tokenizer: the vocabulary and its casing.
    corpus: the host's half of the task; None when none was asked for.
    labels: names of the classes.
    task: the pure half of the task.
    init_from: the checkpoint that a training run starts from, if any.
  """

  config: ConfigDict
  bert: BertConfig
  tokenizer: WordPieceTokenizer
  corpus: Dataset | None
  labels: tuple[str, ...]
  task: Task
  init_from: Source | None = None

  @property
  def dataset(self) -> Dataset:
    """The corpus, where one was asked for."""
    if self.corpus is None:
      raise ValueError('this experiment was opened without a corpus')
    return self.corpus


def from_config(config: ConfigDict) -> Experiment:
  """Reads all that a training run needs.

  Args:
    config: an experiment of `configs/`, with overrides, that `validate`
      has passed.

  Returns:
    The experiment.

  Raises:
    InputError: what is wrong, where, and the remedy.
  """
  init_from = detect(config.init_from) if config.init_from else None
  if init_from is not None and init_from.form in COMPILED:
    raise InputError(
      f'init_from is {config.init_from}: compiled for {init_from.form}, which '
      'cannot be trained; give what it was exported from'
    )
  tokenizer = _tokenizer(config, init_from)
  bert = _architecture(config, tokenizer, init_from)
  module = TASKS[config.task]
  dataset = module.dataset_of(config, tokenizer)
  labels = dataset.labels
  task = module.task_of(config, bert, labels, tokenizer)
  return Experiment(config, bert, tokenizer, dataset, labels, task, init_from)


def without_data(
  config: ConfigDict, vocab_size: int, labels: tuple[str, ...]
) -> Experiment:
  """What a run computes, without its corpus: enough to compile its steps.

  Args:
    config: an experiment of `configs/` that `validate` has passed.
    vocab_size: pieces of the vocabulary, where the config names none.
    labels: that the corpus would have; their number counts.

  Returns:
    The experiment, without a dataset.

  Raises:
    InputError: what is wrong, where, and the remedy.
  """
  init_from = detect(config.init_from) if config.init_from else None
  if init_from is not None or config.vocab.path:
    tokenizer = _tokenizer(config, init_from)
  else:
    names = (f'A{i}' for i in range(vocab_size - len(SPECIALS)))
    tokenizer = WordPieceTokenizer((*SPECIALS, *names), do_lower_case=False)
  bert = _architecture(config, tokenizer, init_from)
  task = TASKS[config.task].task_of(config, bert, labels, tokenizer)
  return Experiment(config, bert, tokenizer, None, labels, task, init_from)


def validate(config: ConfigDict) -> None:
  """Refuses values outside their range.

  Raises:
    InputError: names the key, its value and its range.
  """
  if config.task not in TASKS:
    raise InputError(f'task is {config.task!r}; choose from {sorted(TASKS)}')
  positive = (
    'batch_size',
    'accumulate',
    'train.epochs',
    'train.evaluations',
    'train.eval_batch_size',
    'train.log_every_steps',
    'train.checkpoint_every_steps',
    'train.keep_checkpoints',
    'train.max_skipped_steps',
    'data.max_seq_length',
    'optim.learning_rate',
  )
  flat = flatten(config)
  for key in positive:
    if not 0 < flat[key] < math.inf:  # Also refuses NaN.
      raise InputError(f'{key} is {flat[key]}; it must be positive')
  if not flat['optim.learning_rate'] < 1:
    raise InputError(
      f'optim.learning_rate is {flat["optim.learning_rate"]}; '
      'fine-tuning uses 1e-5 to 1e-4'
    )
  if config.compute.rng not in RNGS:
    raise InputError(
      f'compute.rng is {config.compute.rng!r}; choose from {RNGS}'
    )
  if config.compute.param_dtype != 'float32':
    raise InputError(
      f'compute.param_dtype is {config.compute.param_dtype!r}; updates are too '
      'small for it: train with float32, and compute.dtype=bfloat16'
    )
  if config.train.keep not in ('best', 'last'):
    raise InputError(f'train.keep is {config.train.keep!r}; use best or last')
  if config.train.steps is not None and config.train.steps < 1:
    raise InputError(f'train.steps is {config.train.steps}; at least 1')
  if config.train.profile_step is not None and config.train.profile_step < 1:
    raise InputError(
      f'train.profile_step is {config.train.profile_step}; at least 1'
    )
  if config.compute.reduce_dtype not in DTYPES:
    raise InputError(
      f'compute.reduce_dtype is {config.compute.reduce_dtype!r}; choose from '
      f'{DTYPES}'
    )
  if not config.train.watchdog_seconds >= 0:  # Also refuses NaN.
    raise InputError(
      f'train.watchdog_seconds is {config.train.watchdog_seconds}; it must be '
      'positive, or 0 for none'
    )
  if not config.data.train_split:
    raise InputError('data.train_split is empty; use train or train_dev')
  for key in ('optim.warmup_fraction', 'optim.weight_decay'):
    if not 0 <= flat[key] < 1:
      raise InputError(f'{key} is {flat[key]}; it must lie in [0, 1)')
  TASKS[config.task].validate(config)


def _tokenizer(
  config: ConfigDict, init_from: Source | None
) -> WordPieceTokenizer:
  vocab = config.vocab
  if init_from is not None:
    return WordPieceTokenizer.from_directory(
      init_from.model_folder, vocab.do_lower_case
    )
  if vocab.path:
    lower = bool(vocab.do_lower_case)
    return WordPieceTokenizer.from_vocab_file(vocab.path, lower)
  tokenizer: WordPieceTokenizer = TASKS[config.task].tokenizer_of(config)
  return tokenizer


def _architecture(
  config: ConfigDict, tokenizer: WordPieceTokenizer, init_from: Source | None
) -> BertConfig:
  """The checkpoint's architecture, or the variant's."""
  compute = {name: config.compute[name] for name in _COMPUTE}
  dropouts = ('hidden_dropout_prob', 'attention_probs_dropout_prob')
  if init_from is not None:
    bert = BertConfig.from_json(init_from.config_file)
    check_vocab_size(tokenizer, bert.vocab_size, init_from.model_folder)
    changes = {n: config.model[n] for n in dropouts}
    changes = {n: value for n, value in changes.items() if value is not None}
    bert = bert.replace(**changes, **compute)
  else:
    sizes = {
      name: value for name, value in config.model.items() if value is not None
    }
    bert = BertConfig(vocab_size=tokenizer.vocab_size, **sizes, **compute)
  if config.data.max_seq_length > bert.max_position_embeddings:
    raise InputError(
      f'data.max_seq_length is {config.data.max_seq_length}; the model has '
      f'{bert.max_position_embeddings} positions (max_position_embeddings)'
    )
  if bert.attention != 'einsum' and bert.attention_probs_dropout_prob > 0:
    raise InputError(
      f'compute.attention={bert.attention} has no dropout of attention '
      'weights; set --config.model.attention_probs_dropout_prob=0 or use '
      'einsum'
    )
  if bert.attention == 'splash_attention':
    splash_attention.block_of(config.data.max_seq_length)
  return bert


def flatten(config: Any, prefix: str = '') -> dict[str, Any]:
  """Nested keys as `optim.learning_rate` -> value."""
  flat: dict[str, Any] = {}
  for key, value in config.items():
    if isinstance(value, dict | ConfigDict):
      flat |= flatten(value, f'{prefix}{key}.')
    else:
      flat[prefix + key] = value
  return flat

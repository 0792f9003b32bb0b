"""From a config, all of it checked, to an experiment; nothing is compiled."""

import dataclasses
import logging
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from biobert_jax import errors
from biobert_jax.checkpoints import name_map, pretrained
from biobert_jax.checkpoints.detect import COMPILED, Source, detect
from biobert_jax.checkpoints.partial_load import load_matching
from biobert_jax.models import param_tree, splash_attention
from biobert_jax.models.config import DTYPES, BertConfig
from biobert_jax.parallel import sharding
from biobert_jax.tasks import ner, pretraining, qa, relation, yes_no
from biobert_jax.tasks.task import Dataset, Task, TaskModule
from biobert_jax.text.vocabulary import SPECIALS
from biobert_jax.text.wordpiece import WordPieceTokenizer, check_vocab_size
from biobert_jax.training.optimizer import OPTIMIZERS

_log = logging.getLogger(__name__)
TASKS: dict[str, TaskModule] = {
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
_DROPOUTS = ('hidden_dropout_prob', 'attention_probs_dropout_prob')
RNGS = ('threefry2x32', 'rbg', 'unsafe_rbg')
_POSITIVE = (
  *('batch_size', 'accumulate', 'train.epochs', 'train.evaluations'),
  *('train.eval_batch_size', 'train.log_every_steps'),
  *('train.checkpoint_every_steps', 'train.keep_checkpoints'),
  *('train.max_skipped_steps', 'data.max_seq_length'),
)
_FRACTIONS = ('warmup_fraction', 'weight_decay', 'b1', 'b2')
_POSITIVE_OR_INF = errors.Range(lambda x: x > 0, errors.POSITIVE.remedy)
# Of the keys that all tasks have; each task has a table of its own.
_RANGES = {
  **dict.fromkeys(_POSITIVE, errors.POSITIVE),
  'init_from_step': errors.or_unset(errors.STEP),
  'train.steps': errors.or_unset(errors.COUNT),
  'train.keep_every_steps': errors.or_unset(errors.COUNT),
  'train.profile_step': errors.or_unset(errors.COUNT),
  'train.keep': errors.one_of(('best', 'last')),
  'train.watchdog_seconds': errors.Range(
    lambda x: x >= 0, 'it must be positive, or 0 for none'
  ),
  'data.train_split': errors.Range(bool, 'use train or train_dev'),
  'compute.rng': errors.one_of(RNGS),
  'compute.param_dtype': errors.Range(
    lambda x: x == 'float32',
    'updates are too small for it: leave it out, and set '
    '--config.compute.dtype=bfloat16',
  ),
  'compute.reduce_dtype': errors.one_of(DTYPES),
  'optim.name': errors.one_of(OPTIMIZERS),
  'optim.learning_rate': errors.Range(
    lambda x: 0 < x < 1, 'it must lie in (0, 1); fine-tuning uses 1e-5 to 1e-4'
  ),
  **dict.fromkeys(('optim.eps', 'optim.clip_norm'), _POSITIVE_OR_INF),
  **{f'optim.{name}': errors.FRACTION for name in _FRACTIONS},
}


@dataclasses.dataclass(frozen=True)
class Experiment:
  """A config made concrete."""

  config: ConfigDict  # Every key resolved.
  bert: BertConfig
  tokenizer: WordPieceTokenizer
  corpus: Dataset | None  # The part of the task on the host, if it is here.
  labels: tuple[str, ...]
  task: Task
  init_from: Source | None = None  # What a training run starts from.

  @property
  def dataset(self) -> Dataset:
    """The corpus of an experiment that has one."""
    if self.corpus is None:
      raise ValueError('this experiment was opened without a corpus')
    return self.corpus


def from_config(config: ConfigDict) -> Experiment:
  """Reads what a training run needs, by a config that `validate` has passed."""
  init_from = _source(config)
  if init_from is not None and init_from.form in COMPILED:
    raise errors.InputError(
      f'init_from is {config.init_from}: compiled for {init_from.form}, which '
      'cannot be trained; give the model that it was exported from'
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
  """A config without its corpus: enough to compile its steps.

  `vocab_size` counts where the config names no vocabulary; `labels` stand in
  for those of the corpus; only their number matters.
  """
  init_from = _source(config)
  if init_from is not None or config.vocab.path:
    tokenizer = _tokenizer(config, init_from)
  else:
    names = (f'A{i}' for i in range(vocab_size - len(SPECIALS)))
    tokenizer = WordPieceTokenizer((*SPECIALS, *names), do_lower_case=False)
  bert = _architecture(config, tokenizer, init_from)
  task = TASKS[config.task].task_of(config, bert, labels, tokenizer)
  return Experiment(config, bert, tokenizer, None, labels, task, init_from)


def validate(config: ConfigDict) -> None:
  """Checks every key against its range, or raises an InputError."""
  known = {'task': errors.one_of(sorted(TASKS))}
  errors.check_ranges({'task': config.task}, known)
  module = TASKS[config.task]
  errors.check_ranges(flatten(config), {**_RANGES, **module.RANGES})
  module.validate(config)
  if config.init_from_step and not config.init_from:
    what = f'init_from_step is {config.init_from_step}, of no init_from'
    raise errors.InputError(f'{what}; name the work folder by init_from')


def _source(config: ConfigDict) -> Source | None:
  if not config.init_from:
    return None
  return detect(config.init_from, config.init_from_step or '')


def _tokenizer(
  config: ConfigDict, init_from: Source | None
) -> WordPieceTokenizer:
  path, lower = config.vocab.path, config.vocab.do_lower_case
  if init_from is not None:
    return WordPieceTokenizer.from_directory(init_from.model_folder, lower)
  if path:
    return WordPieceTokenizer.from_vocab_file(path, bool(lower))
  return TASKS[config.task].tokenizer_of(config)


def _architecture(
  config: ConfigDict, tokenizer: WordPieceTokenizer, init_from: Source | None
) -> BertConfig:
  """The architecture of the checkpoint or, without one, of the variant."""
  compute = {name: config.compute[name] for name in _COMPUTE}
  given = {n: value for n, value in config.model.items() if value is not None}
  if init_from is not None:
    bert = BertConfig.from_json(init_from.config_file)
    check_vocab_size(tokenizer, bert.vocab_size, init_from.model_folder)
    dropouts = {n: value for n, value in given.items() if n in _DROPOUTS}
    bert = bert.replace(**dropouts, **compute)
  else:
    bert = BertConfig(vocab_size=tokenizer.vocab_size, **given, **compute)
  if config.data.max_seq_length > bert.max_position_embeddings:
    raise errors.InputError(
      f'data.max_seq_length is {config.data.max_seq_length}; the model has '
      f'{bert.max_position_embeddings} positions (max_position_embeddings)'
    )
  if bert.attention != 'einsum' and bert.attention_probs_dropout_prob > 0:
    raise errors.InputError(
      f'compute.attention={bert.attention} has no dropout of attention '
      'weights; set --config.model.attention_probs_dropout_prob=0 or '
      '--config.compute.attention=einsum'
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


def load_weights(
  experiment: Experiment, abstract_params: Any
) -> tuple[Experiment, dict[str, np.ndarray]]:
  """Parameters of `init_from` by path; others keep their random start.

  Also the experiment with the step of a run that was read.
  """
  found, bert = experiment.init_from, experiment.bert
  if found is None:
    return experiment, {}
  flat = jax.eval_shape(param_tree.to_flat, abstract_params)
  shapes = {path: leaf.shape for path, leaf in flat.items()}
  found, contents = pretrained.read_params(found, bert)
  named = experiment.config.init_from_labels
  biases = (contents.params.get(f'{n}/bias') for n in name_map.CLASSIFIERS)
  classes = next((len(one) for one in biases if one is not None), None)
  same_classes = _stated_labels(found, named, classes) == experiment.labels
  loaded, report = load_matching(contents, shapes, found.given, same_classes)
  _log.info('%s (%s): %s', found.given, found.form, report)
  tree = param_tree.to_tree(loaded, bert.scan_layers)
  leaves = jax.tree_util.tree_leaves_with_path(tree)
  arrays = {sharding.param_path(path): leaf for path, leaf in leaves}
  return dataclasses.replace(experiment, init_from=found), arrays


def _stated_labels(
  found: Source, named: tuple[str, ...] | None, classes: int | None
) -> tuple[str, ...]:
  """The classes of a checkpoint: those `named` override what it states."""
  stated = pretrained.source_labels(found)
  if not named:
    return stated
  labels = tuple(named)
  if classes not in (None, len(labels)):
    what = f'its classifier has {classes} classes, but {len(labels)} are named'
    raise errors.InputError(
      f'{found.given}: {what}: {", ".join(labels)}; name each in the order of '
      'their ids by --config.init_from_labels=A,B,C, or leave it out'
    )
  if stated and labels != stated:
    _log.warning(
      '%s: states the labels %s; init_from_labels=%s is used',
      *(found.given, ','.join(stated), ','.join(labels)),
    )
  return labels


def replace_params(params: Any, arrays: dict[str, np.ndarray]) -> Any:
  """Parameters with some replaced, each laid out as the one before."""

  def leaf(path: Any, old: jax.Array) -> jax.Array:
    new = arrays.get(sharding.param_path(path))
    if new is None:
      return old
    new = new.astype(old.dtype)
    return jax.make_array_from_callback(
      old.shape, old.sharding, lambda index: new[index]
    )

  return jax.tree_util.tree_map_with_path(leaf, params)

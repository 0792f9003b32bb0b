"""From a config, or a work folder, to what the programs run.

Everything a user can get wrong is checked here, before any compilation.
"""

import dataclasses
import hashlib
import json
import logging
import math
import pathlib
import shlex
import sys
from typing import Any

import jax
import numpy as np
from etils import epath
from jax.experimental import multihost_utils
from ml_collections import ConfigDict

from biobert_jax import hosts
from biobert_jax.data.vocabulary import SPECIALS
from biobert_jax.data.wordpiece import WordPieceTokenizer, check_vocab_size
from biobert_jax.errors import InputError
from biobert_jax.interchange.folder import sha256
from biobert_jax.interchange.source import COMPILED, Source, open_source
from biobert_jax.models import splash_attention
from biobert_jax.models.config import DTYPES, BertConfig
from biobert_jax.tasks import ner, pretraining, qa, relation, yes_no
from biobert_jax.tasks.task import Dataset, Task

_log = logging.getLogger(__name__)

TASKS: dict[str, Any] = {
  'ner': ner,
  'pretraining': pretraining,
  'qa': qa,
  'relation': relation,
  'yes_no': yes_no,
}
CONFIG_FILE = 'config.json'
MODEL_FOLDER = 'model'
# Fields that may differ when a run goes on: where things lie and run, and
# what is only shown. All others decide the result, so they are fixed.
FREE_FIELDS = (
  'data.dir',
  'init_from',
  'vocab.path',
  'mesh.',
  'compute.attention',
  'compute.remat',
  'train.log_every_steps',
  'train.checkpoint_every_steps',
  'train.keep_checkpoints',
  'train.max_skipped_steps',
  'train.profile_step',
  'train.watchdog_seconds',
)
# Of these, where things lie, which may differ among the hosts of a job too.
_PATHS = ('data.dir', 'init_from', 'vocab.path')
# Keys of `compute` that an architecture takes.
_COMPUTE = (
  *('dtype', 'param_dtype', 'attention', 'scan_layers', 'remat'),
  'scores_dtype',
)
RNGS = ('threefry2x32', 'rbg', 'unsafe_rbg')
# Of a work folder's record, besides the config: what must not change either.
_FINGERPRINTS = (
  *('labels', 'architecture', 'vocab_sha256', 'data_sha256', 'weights_sha256'),
)


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
  init_from = open_source(config.init_from) if config.init_from else None
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
  init_from = open_source(config.init_from) if config.init_from else None
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


def folder_of(workdir: str) -> epath.Path:
  """The absolute path of a work folder.

  Raises:
    InputError: it is a URL.
  """
  if '://' in workdir:
    raise InputError(
      f'--workdir {workdir}: give a folder of a (mounted) file system, one '
      'that all hosts share'
    )
  return epath.Path(workdir).expanduser().resolve()


def save(experiment: Experiment, workdir: epath.Path) -> None:
  """Writes config, architecture, vocabulary and labels to a work folder.

  A folder that holds the same experiment stays as it is, so that a run goes
  on; one that holds another is left untouched. The first host does it; when
  it fails, all hosts raise.

  Raises:
    InputError: the folder cannot be written, or holds another experiment; or
      the hosts of this job hold different ones.
  """
  record = _record(experiment)
  flat = flatten(record['config'])
  hosts.must_agree(
    {key: flat[key] for key in sorted(flat.keys() - set(_PATHS))}
    | {key: record[key] for key in _FINGERPRINTS}
  )
  failure: InputError | None = None
  if is_first_host():
    try:
      _save(experiment, record, workdir)
    except InputError as error:
      failure = error
  failed = multihost_utils.process_allgather(np.asarray(failure is not None))
  if failure is not None:
    raise failure
  if np.any(failed):
    raise InputError(f'--workdir {workdir}: refused, see the first host')


def _save(
  experiment: Experiment, record: dict[str, Any], workdir: epath.Path
) -> None:
  path = workdir / CONFIG_FILE
  if path.exists():
    _compare(read_record(workdir), record, workdir)
  try:
    # Also when a run goes on: a folder that has become read-only shows here.
    model = workdir / MODEL_FOLDER
    experiment.tokenizer.save(
      str(model), experiment.bert.max_position_embeddings
    )
    _write_json(model / 'bert_config.json', record['architecture'])
    if not path.exists():
      _write_json(path, record)
  except OSError as error:
    raise InputError(f'--workdir {workdir}: {error.strerror}') from error


def read_record(workdir: epath.Path) -> dict[str, Any]:
  """What `save` wrote.

  Raises:
    InputError: no such file, damaged, or another program's.
  """
  path = workdir / CONFIG_FILE
  advice = '--workdir must be a folder of `python -m biobert_jax train`'
  try:
    record = json.loads(path.read_text(encoding='utf-8'))
  except FileNotFoundError as error:
    raise InputError(f'{path}: no such file; {advice}') from error
  except (OSError, ValueError) as error:
    raise InputError(f'{path}: cannot be read ({error}); {advice}') from error
  if not isinstance(record, dict) or not {'config', *_FINGERPRINTS} <= set(
    record
  ):
    raise InputError(f'{path}: not written by us; {advice}')
  return record


def _record(experiment: Experiment) -> dict[str, Any]:
  config, dataset = experiment.config, experiment.dataset
  return {
    'config': json.loads(config.to_json_best_effort()),
    'labels': list(experiment.labels),
    'architecture': _bert_record(experiment.bert),
    'vocab_sha256': experiment.tokenizer.sha256,
    'data_sha256': dataset.sha256,
    'weights_sha256': weights_digest(experiment.init_from),
    'counts': dict(+dataset.counts),
    'command': _command(),
  }


def _command() -> str:
  """How this process was started; '' where it is not our command line."""
  if pathlib.Path(sys.argv[0]).parent.name != 'biobert_jax':
    return ''
  return shlex.join(['python', '-m', 'biobert_jax', *sys.argv[1:]])


def weights_digest(init_from: Source | None) -> str:
  """SHA-256 of the weights a run starts from; '' for none."""
  if init_from is None:
    return ''
  digests = [sha256(path) for path in init_from.weight_files]
  if len(digests) == 1:
    return digests[0]
  return hashlib.sha256('\n'.join(digests).encode()).hexdigest()


def _bert_record(bert: BertConfig) -> dict[str, Any]:
  record = dataclasses.asdict(bert)
  for name in ('attention', 'remat', 'scan_layers', 'scores_dtype'):
    del record[name]
  return record | {'model_type': 'bert'}


def _write_json(path: epath.Path, value: dict[str, Any]) -> None:
  write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + '\n')


def write_text(path: epath.Path, text: str) -> None:
  """Writes a file aside and renames it."""
  aside = path.parent / (path.name + '.tmp')
  aside.write_text(text, encoding='utf-8')
  aside.replace(path)


def _compare(
  old: dict[str, Any], new: dict[str, Any], workdir: epath.Path
) -> None:
  """Refuses to continue another experiment."""
  before, after = flatten(old['config']), flatten(new['config'])
  drift = [
    f'{key}: {before.get(key)!r} there, {after.get(key)!r} now'
    for key in sorted(before.keys() | after.keys())
    if before.get(key) != after.get(key) and not key.startswith(FREE_FIELDS)
  ]
  for key in _FINGERPRINTS:
    if old[key] != new[key]:
      drift.append(f'{key}: {old[key]!r} there, {new[key]!r} now')
  if drift:
    raise InputError(
      f'--workdir {workdir} holds another experiment; use a new folder, or '
      f'the old values: {"; ".join(drift)}'
    )


def from_workdir(
  workdir: epath.Path,
  overrides: dict[str, Any] | None = None,
  splits: tuple[str, ...] = (),
) -> Experiment:
  """Opens what `train` left in a work folder.

  Args:
    workdir: the folder.
    overrides: dotted config keys with new values, `{'data.dir': …}`.
    splits: which splits to read; none of them for raw text.

  Returns:
    The experiment, with a dataset when splits were asked for.

  Raises:
    InputError: no such folder, or it holds no experiment.
  """
  record = read_record(workdir)
  config = ConfigDict(record['config'])
  config.update_from_flattened_dict(overrides or {})
  model = workdir / MODEL_FOLDER
  tokenizer = WordPieceTokenizer.from_directory(str(model))
  stored = BertConfig.from_json(str(model / 'bert_config.json'))
  bert = stored.replace(
    dtype=config.compute.dtype,
    param_dtype=config.compute.param_dtype,
    scan_layers=config.compute.scan_layers,
  )
  module, labels = TASKS[config.task], tuple(record['labels'])
  dataset = None
  if splits:
    dataset = module.dataset_of(config, tokenizer, labels, splits)
  task = module.task_of(config, bert, labels, tokenizer)
  return Experiment(config, bert, tokenizer, dataset, labels, task)


def is_first_host() -> bool:
  """Whether this process writes the files of a job."""
  return jax.process_index() == 0

"""The record of a run in its work folder: written, compared, read again."""

import dataclasses
import hashlib
import json
import pathlib
import shlex
import sys
from typing import Any

from etils import epath
from ml_collections import ConfigDict

from biobert_jax.checkpoints.detect import Source
from biobert_jax.errors import InputError
from biobert_jax.io.checksums import file_sha256
from biobert_jax.io.json_files import write_json
from biobert_jax.models.config import BertConfig
from biobert_jax.parallel import multihost
from biobert_jax.text.wordpiece import WordPieceTokenizer
from biobert_jax.training.experiment import TASKS, Experiment, flatten

CONFIG_FILE = 'config.json'
MODEL_FOLDER = 'model'
# Fields that may differ when a run resumes: where things lie and run, and what
# is only shown. All others decide the result, so they are fixed. Paths may
# differ among the hosts of a job too.
_PATHS = ('data.dir', 'init_from', 'vocab.path')
RESUMABLE_OVERRIDES = (
  *(*_PATHS, 'mesh.', 'compute.attention', 'compute.remat'),
  *('train.log_every_steps', 'train.checkpoint_every_steps'),
  *('train.keep_checkpoints', 'train.max_skipped_steps'),
  *('train.profile_step', 'train.watchdog_seconds'),
)
# Fields of the record, besides the config, that must not change either.
_FINGERPRINTS = (
  *('labels', 'architecture', 'vocab_sha256', 'data_sha256', 'weights_sha256'),
)


def folder_of(workdir: str) -> epath.Path:
  """The absolute path of a work folder; a URL is an InputError."""
  if '://' in workdir:
    what = f'--workdir {workdir}: give a folder of a (mounted) file system'
    raise InputError(f'{what}, one that all hosts share')
  return epath.Path(workdir).expanduser().resolve()


def save_experiment(experiment: Experiment, workdir: epath.Path) -> None:
  """Writes config, architecture, vocabulary and labels to a work folder.

  Raises:
    InputError: the folder cannot be written, or holds another experiment; or
      the hosts of this job hold different ones.
  """
  record = _agreed_record(experiment)
  failure: InputError | None = None
  if multihost.is_first_host():
    path, model = workdir / CONFIG_FILE, workdir / MODEL_FOLDER
    try:
      if path.exists():
        _compare(read_record(workdir), record, workdir)
      # Also when a run resumes: a folder that has become read-only shows here.
      length = experiment.bert.max_position_embeddings
      experiment.tokenizer.save(str(model), length)
      write_json(model / 'bert_config.json', record['architecture'])
      if not path.exists():
        write_json(path, record)
    except InputError as error:
      failure = error
    except OSError as error:
      failure = InputError(f'--workdir {workdir}: {error.strerror}')
  other = InputError(f'--workdir {workdir}: refused, see the first host')
  multihost.raise_together(failure, other)


def check_same_experiment(experiment: Experiment, workdir: epath.Path) -> None:
  """Writes nothing; raises as `save_experiment` does, on every host."""
  _compare(read_record(workdir), _agreed_record(experiment), workdir)


def read_record(workdir: epath.Path) -> dict[str, Any]:
  """The record of `save_experiment`; an InputError where it is not whole."""
  path = workdir / CONFIG_FILE
  advice = '--workdir must be a folder of `biobert-jax train`'
  try:
    record = json.loads(path.read_text(encoding='utf-8'))
  except FileNotFoundError as error:
    raise InputError(f'{path}: no such file; {advice}') from error
  except (OSError, ValueError) as error:
    raise InputError(f'{path}: cannot be read ({error}); {advice}') from error
  needed = {'config', *_FINGERPRINTS}
  if not isinstance(record, dict) or not needed <= record.keys():
    raise InputError(f'{path}: not written by us; {advice}')
  return record


def _agreed_record(experiment: Experiment) -> dict[str, Any]:
  """The record of an experiment, which is the same on all hosts."""
  config, dataset = experiment.config, experiment.dataset
  architecture = dataclasses.asdict(experiment.bert)
  for name in ('attention', 'remat', 'scan_layers', 'scores_dtype'):
    del architecture[name]
  record = {
    'config': json.loads(config.to_json_best_effort()),
    'labels': list(experiment.labels),
    'architecture': architecture | {'model_type': 'bert'},
    'vocab_sha256': experiment.tokenizer.sha256,
    'data_sha256': dataset.sha256,
    'weights_sha256': weights_digest(experiment.init_from),
    'counts': dict(+dataset.counts),
    'command': _command(),
  }
  flat = flatten(record['config'])
  multihost.assert_equal_across_hosts(
    {key: flat[key] for key in sorted(flat.keys() - set(_PATHS))}
    | {key: record[key] for key in _FINGERPRINTS}
  )
  return record


def _command() -> str:
  """How this process was started; '' where it is not our command line."""
  program = pathlib.Path(sys.argv[0])
  if program.parent.name != 'biobert_jax' and program.name != 'biobert-jax':
    return ''
  return shlex.join(['python', '-m', 'biobert_jax', *sys.argv[1:]])


def weights_digest(init_from: Source | None) -> str:
  """SHA-256 of the weights a run starts from; '' for none."""
  if init_from is None:
    return ''
  digests = [file_sha256(path) for path in init_from.weight_files]
  if len(digests) == 1:
    return digests[0]
  return hashlib.sha256('\n'.join(digests).encode()).hexdigest()


def _compare(
  old: dict[str, Any], new: dict[str, Any], workdir: epath.Path
) -> None:
  before, after = flatten(old['config']), flatten(new['config'])
  drift = [
    f'{key}: {before.get(key)!r} there, {after.get(key)!r} now'
    for key in sorted(before.keys() | after.keys())
    if before.get(key) != after.get(key)
    and not key.startswith(RESUMABLE_OVERRIDES)
  ]
  for key in _FINGERPRINTS:
    if old[key] != new[key]:
      drift.append(f'{key}: {old[key]!r} there, {new[key]!r} now')
  if drift:
    what = f'--workdir {workdir} holds another experiment; use a new folder'
    raise InputError(f'{what}, or the old values: {"; ".join(drift)}')


def from_workdir(
  workdir: epath.Path,
  overrides: dict[str, Any] | None = None,
  splits: tuple[str, ...] = (),
) -> Experiment:
  """Opens the experiment of a work folder; without splits, without a dataset.

  `overrides` are dotted config keys with new values, `{'data.dir': …}`.
  """
  record = read_record(workdir)
  config = ConfigDict(record['config'])
  config.update_from_flattened_dict(overrides or {})
  model = workdir / MODEL_FOLDER
  tokenizer = WordPieceTokenizer.from_directory(str(model))
  stored = BertConfig.from_json(str(model / 'bert_config.json'))
  names = ('dtype', 'param_dtype', 'scan_layers')
  bert = stored.replace(**{name: config.compute[name] for name in names})
  module, labels = TASKS[config.task], tuple(record['labels'])
  dataset = None
  if splits:
    dataset = module.dataset_of(config, tokenizer, labels, splits)
  task = module.task_of(config, bert, labels, tokenizer)
  return Experiment(config, bert, tokenizer, dataset, labels, task)

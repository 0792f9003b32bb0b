"""The record of a run in its work folder: written, compared, read again."""

import dataclasses
import hashlib
import json
import logging
import pathlib
import shlex
import sys
from collections.abc import Iterable
from typing import Any

from ml_collections import ConfigDict

from biobert_jax.checkpoints import run_steps
from biobert_jax.checkpoints.detect import WORKDIR, Source
from biobert_jax.checkpoints.formats import orbax_access
from biobert_jax.data.batch_sizes import Stage, Stages
from biobert_jax.errors import InputError
from biobert_jax.io import storage
from biobert_jax.io.checksums import file_sha256
from biobert_jax.io.json_files import write_json
from biobert_jax.io.storage import BucketPath, Place
from biobert_jax.models.config import BertConfig
from biobert_jax.parallel import multihost
from biobert_jax.text.wordpiece import WordPieceTokenizer
from biobert_jax.training.experiment import TASKS, Experiment, flatten
from biobert_jax.training.plan import num_steps

_log = logging.getLogger(__name__)
CONFIG_FILE = 'config.json'
MODEL_FOLDER = 'model'
RESULTS_FILE = 'results.json'  # Written last: a run that has it is finished.
Changes = dict[str, list[Any]]  # Key -> [old value, new value].
# Key that was added later -> the value that changes nothing.
_ADDED: dict[str, Any] = {'data.class_weights': (), 'data.sentence_window': 1}
# Fields that may differ when a run resumes: where things lie and run, and what
# is only shown. All others decide the result, so they are fixed. Paths may
# differ among the hosts of a job too.
_PATHS = ('data.dir', 'init_from', 'vocab.path')
RESUMABLE_OVERRIDES = (
  *(*_PATHS, 'mesh.', 'compute.attention', 'compute.remat'),
  *('train.log_every_steps', 'train.checkpoint_every_steps'),
  *('train.keep_checkpoints', 'train.keep_every_steps'),
  'train.max_skipped_steps',
  *('train.profile_step', 'train.watchdog_seconds', 'data.read_in_place'),
)
# Those that may differ where a run continues as another.
CONTINUABLE = ('optim.', 'train.', 'batch_size', 'accumulate')
_STEPS, _BATCH = 'train.steps', 'batch_size'
# Fields of the record, besides the config, that must not change either.
_FINGERPRINTS = (
  *('labels', 'architecture', 'vocab_sha256', 'data_sha256', 'weights_sha256'),
)


def folder_of(workdir: str) -> Place:
  """The absolute path of a work folder, which all hosts share; or `gs://…`."""
  place = storage.path(workdir)
  if isinstance(place, BucketPath):
    orbax_access.bound_retries()  # TensorFlow reads them when it is imported.
    return place
  return place.expanduser().resolve()


def save_experiment(experiment: Experiment, workdir: Place) -> None:
  """Writes config, architecture, vocabulary and labels to a work folder.

  Where a run is continued with more steps, its record says so from then on.

  Raises:
    InputError: the folder cannot be written, or holds another experiment; or
      the hosts of this job hold different ones.
  """
  record = agreed_record(experiment)
  failure: InputError | None = None
  if multihost.is_first_host():
    path, model = workdir / CONFIG_FILE, workdir / MODEL_FOLDER
    try:
      old = read_record(workdir) if storage.exists(path) else {}
      grown = _compare(old, record, experiment, workdir) if old else {}
      # Also when a run resumes: a folder that has become read-only shows here.
      length = experiment.bert.max_position_embeddings
      experiment.tokenizer.save(model, length)
      write_json(model / 'bert_config.json', record['architecture'])
      if grown:
        _grow(workdir, old, record['config'], grown)
      elif not old:
        write_json(path, record)
    except InputError as error:
      failure = error
    except OSError as error:
      failure = InputError(f'--workdir {workdir}: {error.strerror}')
  other = InputError(f'{workdir}: refused, see the first host')
  multihost.raise_together(failure, other)


History = list[dict[str, Any]]  # Of events: step, changed and from.


def history_of(workdir: Place) -> History:
  """What changed in the course of a run; empty for a new one."""
  if not storage.exists(workdir / CONFIG_FILE):
    return []
  history: History = read_record(workdir).get('history', [])
  return history


def stages_of(history: History) -> Stages:
  """The batch sizes before the present one."""
  return tuple(
    Stage(event['step'], event['changed'][_BATCH][0])
    for event in history
    if _BATCH in event['changed']
  )


def _grow(
  workdir: Place, old: dict[str, Any], config: Any, grown: Changes
) -> None:
  """Records that a run becomes longer; a report it had stays beside."""
  step = max((int(p.name) for p in _states(workdir)), default=0)
  report = workdir / RESULTS_FILE
  if storage.exists(report):
    if not step:
      what = f'--workdir {workdir}: has no checkpoints/ to continue from'
      raise InputError(
        f'{what}; use a new one with --config.init_from={workdir}'
      )
    kept = workdir / f'results_at_step_{step}.json'
    storage.write(kept, storage.read_bytes(report))
    storage.remove(report)
  event = {'step': step, 'changed': grown, 'from': ''}
  history = [*old.get('history', []), event]
  write_json(
    workdir / CONFIG_FILE, {**old, 'config': config, 'history': history}
  )


def _states(workdir: Place) -> list[Place]:
  return run_steps.saved(workdir, ('checkpoints',))


def resumes(workdir: Place) -> bool:
  """Whether a run has a state of its own, so that nothing else is loaded."""
  return bool(_states(workdir))


def is_same_experiment(experiment: Experiment, workdir: Place) -> bool:
  """Writes nothing; raises as `save_experiment` does; False: it has grown."""
  old = read_record(workdir)
  return not _compare(old, agreed_record(experiment), experiment, workdir)


def read_record(workdir: Place) -> dict[str, Any]:
  """The record of `save_experiment`; an InputError where it is not whole."""
  path = workdir / CONFIG_FILE
  advice = '--workdir must be a folder of `biobert-jax train`'
  try:
    record = json.loads(storage.read_text(path))
  except FileNotFoundError as error:
    raise InputError(f'{path}: no such file; {advice}') from error
  except (OSError, ValueError) as error:
    raise InputError(f'{path}: cannot be read ({error}); {advice}') from error
  needed = {'config', *_FINGERPRINTS}
  if not isinstance(record, dict) or not needed <= record.keys():
    raise InputError(f'{path}: not written by us; {advice}')
  return record


def agreed_record(experiment: Experiment) -> dict[str, Any]:
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
    'counts': dict(dataset.counts),
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
  try:
    digests = [file_sha256(path) for path in init_from.weight_files]
  except FileNotFoundError:
    if init_from.form != WORKDIR:
      raise
    return 'deleted'  # By a run that trains on.
  if len(digests) == 1:
    return digests[0]
  return hashlib.sha256('\n'.join(digests).encode()).hexdigest()


def changes(
  old: dict[str, Any],
  new: dict[str, Any],
  experiment: Experiment,
  workdir: Place,
) -> Changes:
  """What decides the result, and differs between two records."""
  before, after = flatten(old['config']), flatten(new['config'])
  before |= {key: old[key] for key in _FINGERPRINTS}
  after |= {key: new[key] for key in _FINGERPRINTS}
  for key, value in _ADDED.items():  # A run of before there was such a key.
    if key in after:
      before.setdefault(key, type(after[key])(value))
  found = {
    key: [before.get(key), after.get(key)]
    for key in sorted(before.keys() | after.keys())
    if before.get(key) != after.get(key)
    and not key.startswith(RESUMABLE_OVERRIDES)
  }
  source = experiment.init_from
  if source is None or source.form != WORKDIR or not resumes(workdir):
    return found
  if 'weights_sha256' in found:
    del found['weights_sha256']
    _log.warning(
      '%s: has trained on since this run started from it; this run resumes '
      'with parameters of its own',
      source.given,
    )
  return found


def listed(changed: Changes, keys: Iterable[str]) -> str:
  """The old and the new value of some keys, for a message."""
  return '; '.join(
    f'{key}: {changed[key][0]!r} there, {changed[key][1]!r} now' for key in keys
  )


def _compare(
  old: dict[str, Any],
  new: dict[str, Any],
  experiment: Experiment,
  workdir: Place,
) -> Changes:
  """What makes a run longer; an InputError for any other difference."""
  changed = changes(old, new, experiment, workdir)
  if [*changed] == [_STEPS] and _grows(old, experiment):
    return changed
  if not changed:
    return {}
  what = f'--workdir {workdir} holds another experiment; use a new folder'
  also = ''
  if all(key.startswith(CONTINUABLE) for key in changed):
    also = '; or continue under the new ones by --continue-as=NEWDIR'
    also += f' ({_STEPS} alone may grow here)'
  raise InputError(
    f'{what}, or the old values: {listed(changed, changed)}{also}'
  )


def _grows(old: dict[str, Any], experiment: Experiment) -> bool:
  """Whether a run that differs in its steps alone has more of them now."""
  config = ConfigDict(old['config'])
  rows = experiment.dataset.rows(config.data.train_split).num_rows
  stages = stages_of(old.get('history', []))
  return num_steps(config, rows, stages) < num_steps(
    experiment.config, rows, stages
  )


def from_workdir(
  workdir: Place,
  overrides: dict[str, Any] | None = None,
  splits: tuple[str, ...] = (),
) -> Experiment:
  """Opens the experiment of a work folder; without splits, without a dataset.

  `overrides` are dotted config keys with new values, `{'data.dir': …}`.
  """
  record = read_record(workdir)
  config = ConfigDict(record['config'])
  config.update_from_flattened_dict(overrides or {})
  model = storage.local(workdir / MODEL_FOLDER)
  tokenizer = WordPieceTokenizer.from_directory(model)
  stored = BertConfig.from_json(model / 'bert_config.json')
  names = ('dtype', 'param_dtype', 'scan_layers')
  bert = stored.replace(**{name: config.compute[name] for name in names})
  module, labels = TASKS[config.task], tuple(record['labels'])
  dataset = None
  if splits:
    dataset = module.dataset_of(config, tokenizer, labels, splits)
  task = module.task_of(config, bert, labels, tokenizer)
  return Experiment(config, bert, tokenizer, dataset, labels, task)

"""A run that continues under other values: longer, or as another run.

Its record lists under 'history' what changed, and at which step. The data goes
on where it stood: with another batch size no packed sequence is repeated or
left out.
"""

import logging
import pathlib
import shutil
from typing import Any

from ml_collections import ConfigDict

from biobert_jax.checkpoints import integrity, run_steps
from biobert_jax.checkpoints.formats import orbax_params
from biobert_jax.data.batch_sizes import first_row
from biobert_jax.errors import InputError
from biobert_jax.io import storage
from biobert_jax.io.atomic import staged
from biobert_jax.io.json_files import write_json
from biobert_jax.io.storage import Place
from biobert_jax.parallel import multihost
from biobert_jax.training import optimizer
from biobert_jax.training import workdir as workdirs
from biobert_jax.training.experiment import Experiment
from biobert_jax.training.monitoring.metric_writer import METRICS_FILE
from biobert_jax.training.plan import Plan, num_steps

_BATCH = 'batch_size'
_log = logging.getLogger(__name__)


def log_change(
  config: ConfigDict,
  plan: Plan,
  num_rows: int,
  history: workdirs.History,
  step: int,
) -> None:
  """Says what the last change means, where a run resumes at it."""
  if not history or step > history[-1]['step']:
    return
  before = ConfigDict(config.to_dict(), type_safe=False)
  changed = history[-1]['changed']
  before.update_from_flattened_dict({k: v[0] for k, v in changed.items()})
  steps = num_steps(before, num_rows, workdirs.stages_of(history[:-1]))
  warmup = int(steps * before.optim.warmup_fraction)
  old = plan._replace(num_steps=steps, warmup_steps=warmup)
  rates = [
    float(optimizer.of_config(one, its)[0](step))
    for one, its in ((before, old), (config, plan))
  ]
  _log.info(
    'from step %d on the learning rate is %.4g instead of %.4g: its schedule '
    'has %d steps instead of %d',
    *(step, rates[1], rates[0], plan.num_steps, steps),
  )
  if _BATCH in changed:
    read = first_row(step, config.batch_size, workdirs.stages_of(history))
    _log.info(
      'batches of %d packed sequences instead of %d: the next one after the %d '
      '(%.2f epochs) read so far follows; none is repeated or left out',
      *(config.batch_size, before.batch_size, read, read / num_rows),
    )


def continue_as(experiment: Experiment, old: Place, new: Place) -> None:
  """Begins the run `new` at the newest whole step of `old`, once.

  `new` gets the state, the best parameters so far and the metrics; both
  records say so. Where `new` has begun already, nothing is copied.

  Raises:
    InputError: on every host: keys that may not change, no whole step, another
      run in `new`, or steps that are all taken.
  """
  record, failure = workdirs.agreed_record(experiment), None
  if multihost.is_first_host():
    try:
      _continue_as(experiment, record, old, new)
    except InputError as error:
      failure = error
    except OSError as error:
      why = error.strerror or str(error).splitlines()[0]
      failure = InputError(f'--continue-as {new}: {why}')
  other = InputError(f'{new}: refused, see the first host')
  multihost.raise_together(failure, other)


def _continue_as(
  experiment: Experiment,
  record: dict[str, Any],
  old: Place,
  new: Place,
) -> None:
  before = workdirs.read_record(old)
  changed = workdirs.changes(before, record, experiment, old)
  fixed = [k for k in changed if not k.startswith(workdirs.CONTINUABLE)]
  if fixed:
    raise InputError(
      f'--continue-as {new}: {workdirs.listed(changed, fixed)}; only the rate, '
      'the batch and the schedule (optim.*, train.*, batch_size, accumulate) '
      f'may change; for others use --config.init_from={old} with a new '
      '--workdir'
    )
  if storage.exists(new / workdirs.CONFIG_FILE):
    events = [e for e in workdirs.history_of(new) if e['from']]
    if not events or storage.path(events[-1]['from']).name != old.name:
      what = f'--continue-as {new}: already holds another run'
      raise InputError(f'{what}; name a new folder')
    event = events[-1]
  else:
    event = _begin(experiment, record, old, new, changed)
  notes = before.setdefault('continued_as', [])
  if str(new) not in [note['workdir'] for note in notes]:
    changed = event['changed']
    notes.append(
      {'workdir': str(new), 'step': event['step'], 'changed': changed}
    )
    write_json(old / workdirs.CONFIG_FILE, before)


def _begin(
  experiment: Experiment,
  record: dict[str, Any],
  old: Place,
  new: Place,
  changed: workdirs.Changes,
) -> dict[str, Any]:
  """Makes the folder `new`, which appears when it is whole."""
  if storage.exists(new) and (not storage.is_dir(new) or storage.names(new)):
    what = f'--continue-as {new}: already exists and is not empty'
    raise InputError(f'{what}; name a new folder')
  with staged(new, 'unfinished', (workdirs.CONFIG_FILE,)) as aside:
    if aside.exists():  # Of a run that was killed here.
      shutil.rmtree(aside)
    aside.mkdir(parents=True)
    step = _copy_newest_whole(old, aside)
    event = {'step': step, 'changed': changed, 'from': str(old)}
    history = [*workdirs.history_of(old), event]
    rows = experiment.dataset.rows(experiment.config.data.train_split).num_rows
    last = num_steps(experiment.config, rows, workdirs.stages_of(history))
    if last <= step:
      raise InputError(
        f'--continue-as {new}: {old} is at step {step}, and this config ends '
        f'at step {last}; raise --config.train.steps above {step}'
      )
    write_json(aside / workdirs.CONFIG_FILE, {**record, 'history': history})
  _log.info('%s continues %s from step %d', new, old, step)
  return event


def _copy_newest_whole(old: Place, aside: pathlib.Path) -> int:
  """Copies a state that is whole, and what belongs to it; gives its step.

  A run that still trains may delete a step meanwhile: then the next is taken.
  """
  failed: dict[int, str] = {}
  while True:
    found = run_steps.saved(old, ('checkpoints',))
    left = [int(p.name) for p in found if int(p.name) not in failed]
    if not left:
      why = '; '.join(f'step {step}: {why}' for step, why in failed.items())
      raise InputError(
        f'{old}: no checkpoint to continue from ({why or "none is saved"})'
      )
    step = left[0]
    copy = aside / 'checkpoints' / str(step)
    try:
      shutil.copytree(storage.local(old / 'checkpoints' / str(step)), copy)
      failed[step] = integrity.damage_of(copy)
    except (FileNotFoundError, shutil.Error) as error:
      failed[step] = str(error).splitlines()[0][:200]
    if not failed[step]:
      break
    _log.warning('checkpoint %d of %s: %s', step, old, failed[step])
    shutil.rmtree(copy, ignore_errors=True)
  _copy_best(old, aside, step)
  if storage.exists(old / METRICS_FILE):
    metrics = storage.read_bytes(old / METRICS_FILE)
    (aside / METRICS_FILE).write_bytes(metrics)
  return step


def _copy_best(old: Place, aside: pathlib.Path, step: int) -> None:
  """Copies the best parameters, if they are of this step or an earlier one."""
  for path in run_steps.saved(old, ('best',)):
    if int(path.name) > step:
      continue
    try:
      shutil.copytree(storage.local(path), aside / 'best' / path.name)
      orbax_params.read_params(aside / 'best')
      return
    except (InputError, OSError) as error:
      if run_steps.is_refused(error):
        raise
      _log.warning('the best parameters do not go along: %s', error)
      shutil.rmtree(aside / 'best', ignore_errors=True)

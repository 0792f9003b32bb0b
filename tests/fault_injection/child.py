"""A training process that a test harms.

`python -m tests.fault_injection.child JSON`, or `forked` of the same: the JSON
names the work folder, config keys, this host's place in its job, and what
befalls it: `{"fault": "SIGTERM", "at": 5, "host": 1}`. A fault is real: a
signal that the process sends to itself where the timing must be exact. A file
`landed_HOST` proves that it came to pass.
"""

import atexit
import json
import logging
import os
import pathlib
import signal
import sys
import time
from typing import Any


def land(options: dict[str, Any], what: str) -> None:
  """Writes that the fault is about to happen."""
  path = pathlib.Path(options['landed'])
  path.write_text(json.dumps({'what': what, 'time': time.time()}))


def strike(options: dict[str, Any]) -> None:
  """The fault itself."""
  fault = options['fault']
  land(options, fault)
  if fault == 'sleep':
    time.sleep(600)
  os.kill(os.getpid(), getattr(signal, fault))


def arm(options: dict[str, Any]) -> None:
  """Lets the fault strike after a step, or in a phase of the run."""
  from biobert_jax.tasks import evaluator
  from biobert_jax.training import run_log, train_step
  from biobert_jax.training.checkpointing import manager

  when, done = options['at'], {'it': False}

  def once() -> None:
    if not done['it']:
      done['it'] = True
      strike(options)

  if isinstance(when, int):
    original = run_log.Log.step

    def step(self: Any, number: int, figures: Any) -> None:
      if number == when:
        # The step before has left its figures: this process is no further.
        self.flush()
        once()
      original(self, number, figures)

    run_log.Log.step = step  # type: ignore[method-assign]
  elif when == 'evaluation':
    one_ahead = evaluator.one_ahead

    def slow(dispatch: Any, batches: Any, advance: Any) -> Any:
      for number, pair in enumerate(one_ahead(dispatch, batches, advance)):
        yield pair
        if number == 0:
          once()

    evaluator.one_ahead = slow
  elif when == 'save':
    save = manager.Checkpoints.save

    def then(self: Any, now: Any) -> None:
      save(self, now)
      if self._latest.is_saving_in_progress():
        once()

    manager.Checkpoints.save = then  # type: ignore[method-assign]
  elif when == 'compile':
    lower = train_step.lower_train_step

    def first(*arguments: Any) -> Any:
      land(options, 'compile')
      for _ in range(options['compilations'] - 1):
        lower(*arguments).compile()
      return lower(*arguments)

    train_step.lower_train_step = first


def main(options: dict[str, Any]) -> int:
  """Trains; returns the exit code of `python -m biobert_jax train`."""
  import jax

  hosts, host = options.get('hosts', 1), options.get('host', 0)
  if hosts > 1:
    jax.config.update('jax_cpu_collectives_implementation', 'gloo')
    jax.distributed.initialize(
      f'localhost:{options["port"]}',
      hosts,
      host,
      heartbeat_timeout_seconds=options.get('heartbeat', 60),
      shutdown_timeout_seconds=20,
    )
  from biobert_jax import errors
  from biobert_jax.parallel.multihost import run_on_all_hosts
  from biobert_jax.training import train
  from tests.fixtures import small_run

  logging.basicConfig(format='[%(asctime)s] %(message)s', stream=sys.stderr)
  logging.getLogger('biobert_jax').setLevel(logging.INFO)
  if options.get('fault') and host == options.get('strikes', 0):
    arm(options)
  config = small_run.config(**options.get('config', {}))

  def program() -> None:
    report = train.train(config, options['workdir'])
    print(json.dumps(report))

  if hosts > 1:
    return errors.exit_code_of(lambda: run_on_all_hosts(program))

  return errors.exit_code_of(program)


def forked(options: dict[str, Any], variables: dict[str, str]) -> None:
  """`main` in a process that was forked when JAX had been imported already."""
  import jax

  os.environ.update(variables)
  folder = variables['JAX_COMPILATION_CACHE_DIR']
  jax.config.update('jax_compilation_cache_dir', folder or None)
  log = os.open(options['log'], os.O_WRONLY | os.O_APPEND)
  for stream in (1, 2):
    os.dup2(log, stream)
  code = main(options)
  # As at the end of a process that was not forked.
  atexit._run_exitfuncs()
  sys.exit(code)


if __name__ == '__main__':
  sys.exit(main(json.loads(sys.argv[1])))

"""Compiles a step for a slice that is not there.

A process of its own, which `preflight` starts and may end at any moment: the
TPU compiler cannot be told to stop once it knows what the step will hold, and
its runtime may abort. Standard input is one JSON object, see `compile_step`.
"""

import functools
import json
import os
import sys
import threading
import time
from typing import Any

import jax
from etils import epath
from jax.experimental import topologies
from jax.sharding import Mesh
from ml_collections import ConfigDict

from biobert_jax.errors import EXIT_DONE, EXIT_FAILED, InputError
from biobert_jax.io import atomic
from biobert_jax.models.flops import training_flops
from biobert_jax.parallel import sharding
from biobert_jax.tasks.evaluator import Evaluator
from biobert_jax.training import experiment as experiments
from biobert_jax.training import optimizer, train_step
from biobert_jax.training import plan as training_plan
from biobert_jax.training.experiment import Experiment

TRAIN, EVALUATE = 'train', 'evaluate'
# What it leaves in the folder, besides what the compiler does.
MODEL, FAILURE = 'model.json', 'failure.json'
_LOOK_SECONDS = 0.5


def compile_step(request: dict[str, Any]) -> None:
  """Compiles a step of a config, its text left in a folder.

  The request: 'step', `TRAIN` or `EVALUATE`; 'config', as JSON; 'topology', as
  the TPU's runtime calls the slice; 'vocab_size' and 'labels', see
  `experiment.without_data`; 'folder'; 'parent', the process that waits.
  """
  config, folder = ConfigDict(request['config']), request['folder']
  slice_ = topologies.get_topology_desc(platform='tpu', **request['topology'])
  mesh = sharding.make_mesh(
    config.mesh.strategy, config.mesh.model, list(slice_.devices)
  )
  sharding.check_batch(config.batch_size, config.accumulate, mesh)
  experiment = experiments.without_data(
    config, request['vocab_size'], tuple(request['labels'])
  )
  bert = experiment.bert
  sharding.check_heads(bert.num_attention_heads, mesh)
  predictions = config.masking.max_predictions if 'masking' in config else 0
  flops = training_flops(bert, config.data.max_seq_length, predictions)
  model = {'vocab_size': bert.vocab_size, 'flops_of_row': flops}
  _write(folder, MODEL, model)
  lowered = _LOWER[request['step']](experiment, mesh)
  lowered.compile(
    compiler_options={'xla_dump_to': folder, 'xla_dump_hlo_as_text': True}
  )


def _lower_training(experiment: Experiment, mesh: Mesh) -> jax.stages.Lowered:
  config = experiment.config
  # The number of steps is a constant in the program, no matter which.
  plan = training_plan.Plan.of(config, config.batch_size)
  _, update = optimizer.of_config(config, plan)
  shapes = experiments.TASKS[config.task].shapes_of(config, config.batch_size)
  step = train_step.step_of(config, experiment.task, update, mesh, shapes)
  return train_step.lower_train_step(*step.lowering)


def _lower_evaluation(experiment: Experiment, mesh: Mesh) -> jax.stages.Lowered:
  config = experiment.config
  return Evaluator(
    experiment.task,
    mesh,
    config.mesh.strategy,
    config.train.eval_batch_size,
    functools.partial(experiments.TASKS[config.task].shapes_of, config),
  ).lower()


_LOWER = {TRAIN: _lower_training, EVALUATE: _lower_evaluation}


def _write(folder: str, name: str, value: dict[str, Any]) -> None:
  atomic.write_text(epath.Path(folder) / name, json.dumps(value))


def leave_with(parent: int) -> None:
  """Ends this process when its parent is gone: nobody waits for it then."""
  while os.getppid() == parent:
    time.sleep(_LOOK_SECONDS)
  os._exit(EXIT_FAILED)


def main() -> int:
  """Compiles what standard input asks for; returns the exit code."""
  request = json.loads(sys.stdin.read())
  # From the request: by now it may be gone already.
  parent = (request['parent'],)
  threading.Thread(target=leave_with, args=parent, daemon=True).start()
  try:
    compile_step(request)
  except InputError as error:
    _write(request['folder'], FAILURE, {'input': str(error)})
    return error.exit_code
  except jax.errors.JaxRuntimeError as error:
    _write(request['folder'], FAILURE, {'compiler': str(error)})
    return EXIT_FAILED
  return EXIT_DONE


if __name__ == '__main__':
  sys.exit(main())

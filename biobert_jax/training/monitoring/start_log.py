"""The first lines of a run: versions, devices, size, and doubts."""

import importlib.metadata
import logging
import math
import os
import pathlib
import platform
from collections import Counter
from typing import Any

import jax

from biobert_jax import __version__
from biobert_jax.training.experiment import Experiment

_log = logging.getLogger(__name__)

# From this hidden size on (BERT-base has it), a model is meant for accelerators
# and, to be fine-tuned, to start from pre-trained weights.
_LARGE_HIDDEN_SIZE = 768
# Files and variables of machines that have accelerators.
_DEVICE_FILES = ('accel[0-9]*', 'vfio/[0-9]*', 'nvidia[0-9]*')
_TPU_VARIABLES = ('TPU_NAME', 'TPU_WORKER_ID', 'TPU_ACCELERATOR_TYPE')


def device_names(devices: list[jax.Device]) -> str:
  """Devices by kind, such as '8 TPU v5 lite devices'."""
  kinds = Counter(d.device_kind for d in devices)
  return ', '.join(
    f'{count} {"CPU" if kind == "cpu" else kind} device{"s" * (count > 1)}'
    for kind, count in kinds.items()
  )


def log_start(experiment: Experiment, abstract_params: Any) -> None:
  """Logs versions, devices and the size of the model; warns where in doubt."""
  hosts = jax.process_count()
  _log.info(
    'biobert_jax %s, jax %s, jaxlib %s, Python %s; %s%s',
    *(__version__, jax.__version__, importlib.metadata.version('jaxlib')),
    *(platform.python_version(), device_names(jax.devices())),
    f' on {hosts} hosts' if hosts > 1 else '',
  )
  bert = experiment.bert
  shapes = (leaf.shape for leaf in jax.tree.leaves(abstract_params))
  _log.info(
    'layers: %d, hidden size: %d, vocabulary: %s tokens; parameters: %s',
    *(bert.num_hidden_layers, bert.hidden_size, f'{bert.vocab_size:,}'),
    f'{sum(map(math.prod, shapes)):,}',
  )
  for warning in _doubts(experiment, jax.default_backend()):
    _log.warning('warning: %s', warning)


def _doubts(experiment: Experiment, backend: str) -> list[str]:
  """Things that are allowed, and probably were not meant."""
  doubts = []
  pretraining = experiment.config.task == 'pretraining'
  large = experiment.bert.hidden_size >= _LARGE_HIDDEN_SIZE
  if large and experiment.init_from is None and not pretraining:
    doubts.append(
      'a model of this size is fine-tuned from random weights, which learns '
      'little; name pre-trained ones: --config.init_from=FOLDER'
    )
  if backend != 'cpu':
    return doubts
  if found := _accelerator():
    doubts.append(
      f'this machine seems to have an accelerator ({found}), but JAX uses the '
      "CPU; install its support: pip install 'biobert-jax[tpu]' or "
      "'biobert-jax[gpu]'"
    )
  elif large and pretraining:
    doubts.append(
      'a model of this size is pre-trained on a CPU, which takes months; '
      'TPUs are meant: see tpu_setup/README.md'
    )
  return doubts


def _accelerator(devices: pathlib.Path = pathlib.Path('/dev')) -> str:
  """A trace of an accelerator that JAX was not told to leave alone; or ''."""
  if 'cpu' in os.environ.get('JAX_PLATFORMS', ''):
    return ''
  files = (str(f) for p in _DEVICE_FILES for f in sorted(devices.glob(p)))
  variables = (name for name in _TPU_VARIABLES if os.environ.get(name))
  return next(files, next(variables, ''))

"""Parameters of a new run, taken from a checkpoint where it names one."""

import logging
from typing import Any

import jax
import numpy as np

from biobert_jax.checkpoints import pretrained
from biobert_jax.checkpoints.partial_load import load_matching
from biobert_jax.models import param_tree
from biobert_jax.parallel import sharding
from biobert_jax.training.experiment import Experiment

_log = logging.getLogger(__name__)


def load_weights(
  experiment: Experiment, abstract_params: Any
) -> dict[str, np.ndarray]:
  """Parameters of `init_from` by path; empty without one.

  Paths that are not there keep their random start.
  """
  found, bert = experiment.init_from, experiment.bert
  if found is None:
    return {}
  flat = jax.eval_shape(param_tree.to_flat, abstract_params)
  shapes = {path: leaf.shape for path, leaf in flat.items()}
  contents = pretrained.read_params(found, bert)
  same_classes = pretrained.source_labels(found) == experiment.labels
  loaded, report = load_matching(contents, shapes, found.given, same_classes)
  _log.info('%s (%s): %s', found.given, found.form, report)
  tree = param_tree.to_tree(loaded, bert.scan_layers)
  leaves = jax.tree_util.tree_leaves_with_path(tree)
  return {sharding.param_path(path): leaf for path, leaf in leaves}


def replace(params: Any, arrays: dict[str, np.ndarray]) -> Any:
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

"""A classifier of any form, run over rows of pieces."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from biobert_jax.checkpoints import detect
from biobert_jax.checkpoints.formats.onnx import onnx
from biobert_jax.checkpoints.formats.stablehlo import stablehlo
from biobert_jax.checkpoints.pretrained import Pretrained
from biobert_jax.data import packed_sequences, packing
from biobert_jax.data.packing import Batch
from biobert_jax.errors import InputError
from biobert_jax.models.param_tree import to_tree
from biobert_jax.parallel import sharding
from biobert_jax.tasks import ner, qa, relation, yes_no
from biobert_jax.tasks.evaluator import Evaluator, Shapes
from biobert_jax.tasks.task import Rows, Task

Outputs = Iterator[tuple[Batch, dict[str, np.ndarray]]]
_ROWS = 16  # Computed together.
Program = Callable[[np.ndarray, np.ndarray, np.ndarray], dict[str, Any]]


class TokenRunner:
  """Labels and probabilities of every piece of packed rows.

  Attributes:
    pack: whether several windows may share a row.
  """

  def __init__(self, model: Pretrained, max_seq_length: int):
    """Compiles the model.

    Args:
      model: a token classifier in any form.
      max_seq_length: pieces of a row.

    Raises:
      InputError: it is no token classifier.
    """
    _check(model, 'token', 'entities need a token classifier')
    self.pack = model.source.form not in detect.COMPILED
    shapes = functools.partial(
      packing.feature_shapes, max_seq_length=max_seq_length
    )
    self._run = _runner(model, ner.make_task, shapes, by_program)

  def __call__(self, rows: Rows) -> Outputs:
    """Yields every batch of `rows` with 'label' and 'probability' [B, L]."""
    return self._run(rows)


class SequenceRunner:
  """Probabilities of every sequence of packed rows.

  Attributes:
    pack: whether several sequences may share a row.
    needs_starts: whether rows have to say where the entities start.
  """

  def __init__(
    self, model: Pretrained, max_seq_length: int, max_sequences: int
  ):
    """Compiles the model.

    Args:
      model: a sequence classifier in any form, or one of entity starts.
      max_seq_length: pieces of a row.
      max_sequences: of a row at most.

    Raises:
      InputError: it is neither.
    """
    self.needs_starts = model.head == 'entity_pair'
    if not self.needs_starts:
      _check(model, 'sequence', 'relations need a sequence classifier')
    self.pack = model.source.form not in detect.COMPILED
    shapes = functools.partial(
      packed_sequences.feature_shapes,
      max_seq_length=max_seq_length,
      max_sequences=max_sequences,
      starts=self.needs_starts,
    )
    make_task = functools.partial(
      relation.make_task,
      pooling='entity_start' if self.needs_starts else 'cls',
    )
    self._run = _runner(model, make_task, shapes, sequences_by_program)

  def __call__(self, rows: Rows) -> Outputs:
    """Yields every batch of `rows` with 'probability' [B, P, C]."""
    return self._run(rows)


class SpanRunner:
  """Logits of where an answer starts and ends, of packed rows.

  Attributes:
    pack: whether several windows may share a row.
  """

  def __init__(
    self, model: Pretrained, max_seq_length: int, max_sequences: int
  ):
    """Compiles the model.

    Args:
      model: one with a span head in any form.
      max_seq_length: pieces of a row.
      max_sequences: windows of a row at most.

    Raises:
      InputError: it has another head.
    """
    _check(model, 'span', 'answers need a span head')
    self.pack = model.source.form not in detect.COMPILED
    shapes = functools.partial(
      packing.feature_shapes, max_seq_length=max_seq_length
    )
    make_task = functools.partial(qa.make_task, max_sequences=max_sequences)
    self._run = _runner(model, make_task, shapes, spans_by_program)

  def __call__(self, rows: Rows) -> Outputs:
    """Yields every batch with 'start_logit' and 'end_logit' [B, L]."""
    return self._run(rows)


class YesNoRunner:
  """Logits of every sequence of packed rows.

  Attributes:
    pack: whether several sequences may share a row.
    labels: C names of the answers.
  """

  def __init__(
    self, model: Pretrained, max_seq_length: int, max_sequences: int
  ):
    """Compiles the model.

    Args:
      model: a sequence classifier, or one with a single logit for yes, in any
        form.
      max_seq_length: pieces of a row.
      max_sequences: of a row at most.

    Raises:
      InputError: it is neither.
    """
    single = model.head == 'yes_no'
    if not single:
      need = 'yes/no questions need a sequence classifier or one for yes/no'
      _check(model, 'sequence', need)
    self.labels = yes_no.YES_NO if single else model.labels
    self.pack = model.source.form not in detect.COMPILED
    shapes = functools.partial(
      packed_sequences.feature_shapes,
      max_seq_length=max_seq_length,
      max_sequences=max_sequences,
    )
    make_task = functools.partial(yes_no.make_task, head=model.head)
    self._run = _runner(model, make_task, shapes, BY_PROGRAM[model.head])

  def __call__(self, rows: Rows) -> Outputs:
    """Yields every batch of `rows` with 'logits' [B, P, C]."""
    return self._run(rows)


def _check(model: Pretrained, head: str, need: str) -> None:
  if model.head != head:
    raise InputError(
      f'{model.source.given}: its head is {model.head.replace("_", " ")}; '
      f'{need}'
    )


def _runner(
  model: Pretrained,
  make_task: Callable[..., Task],
  shapes: Shapes,
  run_program: Callable[[Program, Rows, bool], Outputs],
) -> Callable[[Rows], Outputs]:
  if model.source.form not in detect.COMPILED:
    return _native(model, make_task, shapes)
  if model.source.form == detect.ONNX:
    onnx_model = onnx.OnnxProgram(model.source.weights)
    return lambda rows: run_program(onnx_model, rows, True)
  # Compiled anew for each length: all rows are given one.
  program = stablehlo.StableHloProgram(model.source.folder)
  return lambda rows: run_program(program, rows, False)


def _native(
  model: Pretrained, make_task: Callable[..., Task], shapes: Shapes
) -> Callable[[Rows], Outputs]:
  """Our own step on all devices."""
  bert = model.bert
  if model.source.form == detect.WORKDIR:  # As it was trained.
    compute = model.source.record['config']['compute']
    bert = bert.replace(dtype=compute['dtype'])
  task = make_task(bert, model.labels)
  mesh = sharding.make_mesh('dp', 1)
  evaluator = Evaluator(task, mesh, 'dp', _ROWS, shapes)
  tree = to_tree(model.params, scan_layers=False)
  if 'pooler' not in evaluator.abstract_params['bert']:
    tree['bert'].pop('pooler', None)  # Some bring one that nothing here needs.
  params = jax.tree.map(
    lambda array, layout: jax.make_array_from_callback(
      array.shape, layout, lambda index: array[index]
    ),
    tree,
    evaluator.param_shardings,
  )
  return lambda rows: evaluator.run(params, rows)


def by_program(program: Program, rows: Rows, trim: bool) -> Outputs:
  """Runs a token classifier in the signature of transformers.

  Args:
    program: (input_ids, attention_mask, token_type_ids) -> outputs by name.
    rows: not packed: the program knows no borders within a row.
    trim: cut each batch to its longest window.

  Yields:
    As `TokenRunner` does.
  """
  for batch, outputs in _outputs(program, rows, trim):
    logits, shape = np.asarray(outputs['logits']), batch['input_ids'].shape
    label = np.zeros(shape, np.int32)
    probability = np.zeros(shape, np.float32)
    longest = logits.shape[1]
    label[:, :longest] = logits.argmax(axis=-1)
    probability[:, :longest] = _softmax(logits).max(axis=-1)
    yield batch, {'label': label, 'probability': probability}


def sequences_by_program(program: Program, rows: Rows, trim: bool) -> Outputs:
  """The same with a sequence classifier.

  Yields:
    Every batch with 'probability' [B, 1, C], as `tasks.relation` predicts it,
    and 'logits', as `tasks.yes_no` does.
  """
  for batch, outputs in _outputs(program, rows, trim):
    logits = np.asarray(outputs['logits'])
    each = {'probability': _softmax(logits), 'logits': logits}
    yield batch, {name: array[:, None] for name, array in each.items()}


def yes_no_by_program(program: Program, rows: Rows, trim: bool) -> Outputs:
  """The same with a classifier that has one logit, for yes.

  Yields:
    Every batch with 'logits' [B, 1, 2], as `tasks.yes_no` predicts them.
  """
  for batch, outputs in _outputs(program, rows, trim):
    yes = np.asarray(outputs['logits'])
    logits = np.stack([np.zeros_like(yes), yes], axis=-1)
    yield batch, {'logits': logits[:, None]}


def spans_by_program(program: Program, rows: Rows, trim: bool) -> Outputs:
  """The same with a model of spans.

  Yields:
    As `SpanRunner` does.
  """
  for batch, outputs in _outputs(program, rows, trim):
    logits = {}
    for name in ('start_logit', 'end_logit'):
      given = np.asarray(outputs[f'{name}s'])
      logits[name] = np.zeros(batch['input_ids'].shape, np.float32)
      logits[name][:, : given.shape[1]] = given
    yield batch, logits


def _outputs(
  program: Program, rows: Rows, trim: bool
) -> Iterator[tuple[Batch, dict[str, Any]]]:
  """Every batch with what the program says of it, a window a row."""
  for batch in rows.eval_batches(_ROWS):
    real = batch['sequence_ids'] > 0
    longest = int(real.sum(axis=1).max()) if trim else rows.max_seq_length
    outputs = program(
      batch['input_ids'][:, :longest],
      real[:, :longest].astype(np.int64),
      batch['segment_ids'][:, :longest],
    )
    yield batch, outputs


def _softmax(logits: np.ndarray) -> np.ndarray:
  exponents = np.exp(logits - logits.max(axis=-1, keepdims=True))
  return exponents / exponents.sum(axis=-1, keepdims=True)


# Head -> how a corpus of it is run by a program.
BY_PROGRAM: dict[str, Callable[[Program, Rows, bool], Outputs]] = {
  'token': by_program,
  'sequence': sequences_by_program,
  'span': spans_by_program,
  'yes_no': yes_no_by_program,
}

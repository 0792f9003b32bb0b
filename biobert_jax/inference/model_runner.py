"""A fine-tuned model of any form, run over packed sequences.

`TASKS` says for each task which heads serve it and which compiled step runs
parameters; the outputs of an exported program (ONNX, StableHLO) become what
that step predicts.
"""

import functools
import os
import pathlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np

from biobert_jax.checkpoints import detect, pretrained
from biobert_jax.checkpoints.detect import Source
from biobert_jax.checkpoints.formats.onnx import onnx
from biobert_jax.checkpoints.formats.stablehlo import stablehlo
from biobert_jax.checkpoints.pretrained import Pretrained
from biobert_jax.data import packing
from biobert_jax.data.packing import Batch, PackedRows
from biobert_jax.data.windows import Windows
from biobert_jax.errors import InputError
from biobert_jax.models.config import BertConfig
from biobert_jax.models.param_tree import to_tree
from biobert_jax.parallel import sharding
from biobert_jax.tasks import ner, qa, relation, yes_no
from biobert_jax.tasks.datasets import merge
from biobert_jax.tasks.evaluator import Evaluator
from biobert_jax.tasks.task import Dataset, Rows, Task

Arrays = dict[str, np.ndarray]
Outputs = Iterator[tuple[Batch, Arrays]]
# A path, or a model that was found or opened already.
Model = str | os.PathLike[str] | Source | Pretrained
# (input_ids, attention_mask, token_type_ids) -> outputs by name.
Program = Callable[[np.ndarray, np.ndarray, np.ndarray], Mapping[str, Any]]
# Heads whose programs can be run for a task.
HEADS = frozenset({'token', 'sequence', 'entity_pair', 'span', 'yes_no'})
_ROWS = 16  # Packed sequences computed together.


def _adapted(head: str, outputs: Mapping[str, Any]) -> Arrays:
  """A program's outputs as what our own step predicts.

  Of tokens arrays [B, l]: 'label' and 'probability', or 'start_logit' and
  'end_logit'; of sequences [B, 1, C]: 'probability' and 'logits'.
  """
  if head == 'span':
    names = ('start_logit', 'end_logit')
    return {name: np.asarray(outputs[f'{name}s'], np.float32) for name in names}
  logits = np.asarray(outputs['logits'])
  if head == 'yes_no':  # The one logit is that of yes; no has 0.
    both = np.stack([np.zeros_like(logits), logits], axis=-1)
    return {'logits': both[:, None]}
  exponents = np.exp(logits - logits.max(axis=-1, keepdims=True))
  probabilities = exponents / exponents.sum(axis=-1, keepdims=True)
  if head == 'token':
    return {
      'label': logits.argmax(axis=-1).astype(np.int32),
      'probability': probabilities.max(axis=-1).astype(np.float32),
      'scores': probabilities.astype(np.float32),
    }
  return {'probability': probabilities[:, None], 'logits': logits[:, None]}


class TaskEntry(NamedTuple):
  """How the models of one task are run."""

  heads: tuple[str, ...]  # Those that serve it.
  need: str  # The end of the message that refuses another head.
  make_task: Callable[[BertConfig, Pretrained], Task]
  per_sequence: bool  # Whether predictions belong to sequences, not to tokens.
  # Settings for models whose files state none; `max_seq_length` is then the
  # number of positions, unless it stands here.
  defaults: Mapping[str, Any]


def _relation_task(bert: BertConfig, model: Pretrained) -> Task:
  pooling = 'entity_start' if model.head == 'entity_pair' else 'cls'
  return relation.make_task(bert, model.labels, pooling)


TASKS = {
  'ner': TaskEntry(
    ('token',),
    'entities need a token classifier',
    lambda bert, model: ner.make_task(bert, model.labels),
    False,
    # As in configs/common/ner.py.
    {'max_seq_length': 128, 'window_overlap': 32, 'entity_type': 'Entity'},
  ),
  'relation': TaskEntry(
    ('sequence', 'entity_pair'),
    'relations need a sequence classifier',
    _relation_task,
    True,
    # Models of before there were markers state no `entities`, those of before
    # there were windows none.
    {'max_sequences': 1, 'entities': 'anonymised', 'sentence_window': 1},
  ),
  'qa': TaskEntry(
    ('span',),
    'answers need a span head',
    lambda bert, model: qa.make_task(bert, model.settings['max_sequences']),
    False,
    # As in configs/common/qa.py.
    {
      'max_seq_length': 384,
      'max_question_length': 64,
      'doc_stride': 128,
      'max_answer_length': 30,
      'n_best': 20,
      'squad_version': '1.1',
      'null_threshold': 0.0,
      'max_sequences': 8,
    },
  ),
  'yes_no': TaskEntry(
    ('sequence', 'yes_no'),
    'yes/no questions need a sequence classifier or one for yes/no',
    lambda bert, model: yes_no.make_task(bert, model.labels, head=model.head),
    True,
    {'max_sequences': 1, 'reasoning': 'required'},
  ),
}


def load_any(model: Model, do_lower_case: bool | None = None) -> Pretrained:
  """Opens a path or a `Source`; returns an open model as it is."""
  if isinstance(model, Pretrained):
    return model
  source = model if isinstance(model, Source) else os.fspath(model)
  return pretrained.load_pretrained(source, do_lower_case)


def load_for(
  task: str, model: Model, do_lower_case: bool | None = None
) -> Pretrained:
  """Opens a model with all settings of a task; an InputError: another head."""
  entry = TASKS[task]
  model = load_any(model, do_lower_case)
  pretrained.check_known(model)
  if model.head not in entry.heads:
    what = f'{model.source.given}: its head is {model.head.replace("_", " ")}'
    raise InputError(f'{what}; {entry.need}')
  positions = model.bert.max_position_embeddings
  settings = {'max_seq_length': positions, **entry.defaults, **model.settings}
  settings['max_seq_length'] = min(settings['max_seq_length'], positions)
  return replace(model, settings=settings)


class ModelRunner:
  """A compiled model, which predicts for every token or every sequence.

  Attributes:
    max_seq_length: tokens of a packed sequence.
    max_sequences: sequences that are packed into one, at most.
    pack: whether they may be: a program knows no borders within a row.
    needs_starts: whether it has to be told where the two entities start.
  """

  def __init__(self, task: str, model: Pretrained, scores: bool = False):
    """Compiles a model that `load_for` opened for a task of `TASKS`.

    With `scores` a tagger predicts the probabilities of all labels, too.
    """
    self._scores = scores
    self.max_seq_length: int = model.settings['max_seq_length']
    self.max_sequences: int = model.settings.get('max_sequences', 1)
    form = model.source.form
    self.pack = form not in detect.COMPILED
    self.needs_starts = model.head == 'entity_pair'
    if self.pack:
      self._run = self._native(TASKS[task], model)
      return
    on_onnx = form == detect.ONNX
    program: Program = (
      onnx.OnnxProgram(model.source.weights)
      if on_onnx
      else stablehlo.StableHloProgram(model.source.folder)
    )
    # StableHLO is compiled anew for each length: all its rows are given one.
    self._run = functools.partial(
      run_program, program, model.head, trim=on_onnx
    )

  def __call__(self, rows: Rows) -> Outputs:
    """Yields every batch of `rows` with the predictions of the task."""
    return self._run(rows)

  def predict_sequences(
    self,
    windows: Windows,
    output: str,
    width: int,
    starts: np.ndarray | None = None,
  ) -> np.ndarray:
    """Predictions for whole sequences, float32 [sequences, width].

    Args:
      windows: one for each sequence.
      output: the name of the prediction, of `width` values.
      starts: [sequences, 2] where the entities of each start.
    """
    count = windows.num_words
    rows = PackedRows(
      windows,
      np.zeros(count, np.int32),
      max_seq_length=self.max_seq_length,
      max_sequences=self.max_sequences,
      per_sequence=True,
      pack=self.pack,
      starts=starts if self.needs_starts else None,
    )
    return merge(self(rows), output, count, width)

  def _native(
    self, entry: TaskEntry, model: Pretrained
  ) -> Callable[[Rows], Outputs]:
    """Our own compiled step, on all devices."""
    bert = model.bert
    if model.source.form == detect.WORKDIR:  # As it was trained.
      compute = model.source.record['config']['compute']
      bert = bert.replace(dtype=compute['dtype'])

    def shapes(rows: int) -> dict[str, Any]:
      slots = self.max_sequences if entry.per_sequence else 0
      return packing.feature_shapes(
        rows, self.max_seq_length, slots, self.needs_starts
      )

    mesh = sharding.make_mesh('dp', 1)
    task = entry.make_task(bert, model)
    if self._scores:
      task = ner.make_task(bert, model.labels, scores=True)
    evaluator = Evaluator(task, mesh, 'dp', _ROWS, shapes).compile()
    tree = to_tree(model.params, scan_layers=False)
    if 'pooler' not in evaluator.abstract_params['bert']:
      tree['bert'].pop('pooler', None)  # Some have one that is not needed.
    params = jax.tree.map(
      lambda array, layout: jax.make_array_from_callback(
        array.shape, layout, lambda index: array[index]
      ),
      tree,
      evaluator.param_shardings,
    )
    return functools.partial(evaluator.run, params)


def by_label(labels: Sequence[str], row: np.ndarray) -> dict[str, float]:
  """Label -> its probability, rounded."""
  pairs = zip(labels, row, strict=True)
  return {label: round(float(value), 6) for label, value in pairs}


def run_program(
  program: Program, head: str, rows: Rows, *, trim: bool
) -> Outputs:
  """Yields every batch with the predictions of our own step.

  Args:
    program: has the signature of transformers.
    rows: one sequence each: the program knows no borders within a row.
    trim: whether each batch is cut to its longest sequence.
  """
  for batch in rows.eval_batches(_ROWS):
    real = batch['sequence_ids'] > 0
    longest = int(real.sum(axis=1).max()) if trim else rows.max_seq_length
    outputs = program(
      batch['input_ids'][:, :longest],
      real[:, :longest].astype(np.int64),
      batch['segment_ids'][:, :longest],
    )
    missing = (0, real.shape[1] - longest)
    yield (
      batch,
      {  # Arrays of tokens [B, l] get their full length.
        name: np.pad(array, [(0, 0), missing, (0, 0)][: array.ndim])
        if head in ('token', 'span')
        else array
        for name, array in _adapted(head, outputs).items()
      },
    )


def score_int8(
  folder: pathlib.Path, head: str, dataset: Dataset, split: str
) -> dict[str, float]:
  """The cost of int8 in F1 and its gain in speed, on a split of a corpus.

  The folder has the float32 and int8 files; a row has one sequence. Returns the
  scores of both, sentences per second with int8, and the time of float32 by
  that of int8.
  """
  rows, figures, seconds = dataset.rows(split), {}, {}
  for name, int8 in (('float32', False), ('int8', True)):
    program = onnx.OnnxProgram(folder, int8=int8)
    began = time.perf_counter()
    outputs = list(run_program(program, head, rows, trim=True))
    seconds[name] = time.perf_counter() - began
    metrics = dataset.score(split, iter(outputs)).metrics
    measure = 'f1' if 'f1' in metrics else 'macro_f1'
    figures[f'{split}_{measure}_{name}'] = metrics[measure]
  figures['sentences_per_second'] = rows.num_rows / seconds['int8']
  figures['speed_ratio'] = seconds['float32'] / seconds['int8']
  return figures

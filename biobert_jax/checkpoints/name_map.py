"""The one name table: TF1 BERT variables <-> ours <-> Hugging Face tensors.

Each row gives the three names and the shape of a tensor; reading and writing
in every direction is derived from it. Ours are the paths of parameters with
layers unrolled. Kernels are [in, out] in ours and in TF1; Hugging Face keeps
all of them as [out, in], and TF1 those of its heads (run_ner.py:372,
run_squad.py:576, run_pretraining.py:289 of google-research/bert and
dmis-lab/biobert).
"""

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from biobert_jax.checkpoints.formats.lazy_tensor import LazyTensor
from biobert_jax.errors import InputError
from biobert_jax.models.config import BertConfig

TENSORFLOW, HUGGINGFACE = 'tensorflow', 'huggingface'
# Other types of weights (int8, fp8, ...) means nothing without its
# scales.
FLOATS = ('float32', 'float16', 'bfloat16', 'float64')
_SHOWN = 8  # Tensors that one error lists.

# Groups of rows that a checkpoint holds wholly or not at all.
ENCODER, POOLER = 'encoder', 'pooler'
GROUPS = (
  ENCODER,
  POOLER,
  'masked_lm',
  'next_sentence',
  'classifier',
  'qa_outputs',
  'yes_no',
  'entity_classifier',
)
# Groups whose classes are the checkpoint's own.
CLASSIFIERS = ('classifier', 'entity_classifier')

# Path below `bert/` of a layer's parts, and the shapes of their kernels.
_LAYER_PARTS = {
  'attention/self/query': 'DD',
  'attention/self/key': 'DD',
  'attention/self/value': 'DD',
  'attention/output/dense': 'DD',
  'attention/output/LayerNorm': 'D',
  'intermediate/dense': 'DF',
  'output/dense': 'FD',
  'output/LayerNorm': 'D',
}
# Leaf of ours -> theirs.
_TF_LEAVES = {'scale': 'gamma', 'kernel': 'kernel', 'bias': 'bias'}
_HF_LEAVES = {'scale': 'weight', 'kernel': 'weight', 'bias': 'bias'}
# Group, our module, its shape, TF1's variables; Hugging Face's module is ours
# with dots. No class of transformers has a yes/no head, nor one on a pair of
# entities, for which TF1's code has no name either: those names are our own.
_HEADS = (
  (
    'next_sentence',
    'cls/seq_relationship',
    'D2',
    'cls/seq_relationship/output_{}',
  ),
  ('classifier', 'classifier', 'DC', 'output_{}'),
  ('qa_outputs', 'qa_outputs', 'D2', 'cls/squad/output_{}'),
  ('yes_no', 'yes_no', 'D1', 'cls/squad/output_{}_sgm'),
  (
    'entity_classifier',
    'entity_classifier',
    'EC',
    'entity_classifier/output_{}',
  ),
)

# Leftovers that are no weights of the model. Adam's moments: google-research's
# optimizer calls them adam_m and adam_v; that of BioBERT v1.0 BERTAdam and
# BERTAdam_1.
_SLOT = re.compile(r'(?P<of>.+)/(?P<kind>adam_m|adam_v|BERTAdam(_\d+)?)')
_COUNTERS = re.compile(r'global_step|beta[12]_power')
# A buffer that transformers saved until 4.31.
_BUFFER = re.compile(r'(bert\.)?embeddings\.position_ids')
# The tied decoder, which some versions write a second time.
_DECODER = 'cls.predictions.decoder'
_TIED = {
  f'{_DECODER}.weight': 'bert.embeddings.word_embeddings.weight',
  f'{_DECODER}.bias': 'cls.predictions.bias',
}


@dataclasses.dataclass(frozen=True)
class Row:
  """A tensor in three languages.

  Attributes:
    ours: path of the parameter.
    tensorflow: variable of a TF1 checkpoint.
    huggingface: key of a state dict, with the prefix `bert.`.
    shape: ours, in the letters of `models/config.py` and digits; `C`, the
      number of classes, is the checkpoint's own.
    group: one of `GROUPS`.
    transposed: the columns that store it transposed.
  """

  ours: str
  tensorflow: str
  huggingface: str
  shape: str
  group: str
  transposed: tuple[str, ...]

  def name(self, column: str) -> str:
    """Its name in a column, `TENSORFLOW` or `HUGGINGFACE`."""
    return self.tensorflow if column == TENSORFLOW else self.huggingface

  def sizes(self, config: BertConfig) -> tuple[int | None, ...]:
    """Our shape in numbers; None where the checkpoint decides."""
    letters: dict[str, int | None] = {
      'V': config.vocab_size,
      'X': config.max_position_embeddings,
      'T': config.type_vocab_size,
      'D': config.hidden_size,
      'E': 2 * config.hidden_size,
      'F': config.intermediate_size,
      'C': None,
      '1': 1,
      '2': 2,
    }
    return tuple(letters[letter] for letter in self.shape)


def _module(path: str, shape: str, group: str) -> Iterator[Row]:
  """A dense layer or a layer norm whose names follow the TF scopes."""
  is_norm = path.endswith('LayerNorm')
  for leaf in ('scale' if is_norm else 'kernel', 'bias'):
    theirs = 'beta' if is_norm and leaf == 'bias' else _TF_LEAVES[leaf]
    dotted = path.replace('layer_', 'layer.').replace('/', '.')
    yield Row(
      f'{path}/{leaf}',
      f'{path}/{theirs}',
      f'{dotted}.{_HF_LEAVES[leaf]}',
      shape if leaf == 'kernel' else shape[-1],
      group,
      (HUGGINGFACE,) if leaf == 'kernel' else (),
    )


def table(num_hidden_layers: int) -> tuple[Row, ...]:
  """All rows for a model of so many layers, base or large.

  Args:
    num_hidden_layers: N.

  Returns:
    Encoder, pooler and every head; names are unique in each column.
  """
  rows: list[Row] = []
  for kind, letter in (('word', 'V'), ('position', 'X'), ('token_type', 'T')):
    path = f'bert/embeddings/{kind}_embeddings'
    theirs = path.replace('/', '.') + '.weight'
    rows.append(Row(path, path, theirs, f'{letter}D', ENCODER, ()))
  rows += _module('bert/embeddings/LayerNorm', 'D', ENCODER)
  for i in range(num_hidden_layers):
    for part, shape in _LAYER_PARTS.items():
      rows += _module(f'bert/encoder/layer_{i}/{part}', shape, ENCODER)
  rows += _module('bert/pooler/dense', 'DD', POOLER)
  transform = 'cls/predictions/transform'
  rows += _module(f'{transform}/dense', 'DD', 'masked_lm')
  rows += _module(f'{transform}/LayerNorm', 'D', 'masked_lm')
  rows.append(
    Row(
      'cls/predictions/bias',
      'cls/predictions/output_bias',
      'cls.predictions.bias',
      'V',
      'masked_lm',
      (),
    )
  )
  both = (TENSORFLOW, HUGGINGFACE)
  for group, path, shape, theirs in _HEADS:
    weights, bias = theirs.format('weights'), theirs.format('bias')
    dotted = path.replace('/', '.')
    rows += [
      Row(f'{path}/kernel', weights, f'{dotted}.weight', shape, group, both),
      Row(f'{path}/bias', bias, f'{dotted}.bias', shape[-1], group, ()),
    ]
  return tuple(rows)


@dataclasses.dataclass(frozen=True)
class Imported:
  """A whole checkpoint in our names.

  Attributes:
    params: path -> float32 array, layers unrolled.
    slots: the optimizer's leftovers by their stored name.
    skipped: what was left out and why -> how many tensors.
  """

  params: dict[str, np.ndarray]
  slots: dict[str, LazyTensor]
  skipped: Counter[str]

  @property
  def groups(self) -> tuple[str, ...]:
    """Which of `GROUPS` it holds."""
    return groups_of(self.params)

  def __str__(self) -> str:
    lines = [
      f'{len(self.params)} tensors of the model '
      f'({", ".join(g.replace("_", " ") for g in self.groups)})'
    ]
    lines += [
      f'  {n} skipped: {why}' for why, n in sorted(self.skipped.items())
    ]
    return '\n'.join(lines)


def groups_of(paths: Iterable[str]) -> tuple[str, ...]:
  """Which of `GROUPS` some parameters belong to, in that order."""
  heads = {row.ours: row.group for row in table(0)}
  # Layers, which a table of none lacks, are the encoder's.
  found = {heads.get(path, ENCODER) for path in paths}
  return tuple(group for group in GROUPS if group in found)


def read(
  tensors: Mapping[str, LazyTensor],
  column: str,
  config: BertConfig,
  source: object,
  skip: str = '',
) -> Imported:
  """Reads a checkpoint wholly: every tensor has a place or a reason.

  Args:
    tensors: all that the checkpoint holds.
    column: whose names those are, `TENSORFLOW` or `HUGGINGFACE`.
    config: the architecture that came with it.
    source: the file or folder, for messages.
    skip: regular expression of stored names to leave out as well.

  Returns:
    The parameters, and what was left out.

  Raises:
    InputError: lists the tensors that are unmapped, missing, duplicated,
      of the wrong shape or not floats.
  """
  _check_depth(config, len(tensors), source)
  rows = table(config.num_hidden_layers)
  by_name = {row.name(column): row for row in rows}
  stored, slots, skipped, faults = _sort(tensors, column, by_name, skip)
  present = {by_name[name].group for name in stored} | {ENCODER}
  params: dict[str, np.ndarray] = {}
  found: list[tuple[Row, LazyTensor]] = []
  for row in rows:
    tensor = stored.get(row.name(column))
    if tensor is None:
      if row.group in present:
        faults.append(f'missing {row.name(column)}')
      continue
    fault = _shape_fault(row, column, config, tensor)
    if fault:
      faults.append(fault)
    found.append((row, tensor))
  if faults:
    raise InputError(_message(source, faults))
  for row, tensor in found:
    array = tensor.read().astype(np.float32, copy=False)
    params[row.ours] = array.T if column in row.transposed else array
  if fault := _classes_fault(params):
    raise InputError(_message(source, [fault]))
  _check_tied(tensors, params, source)
  return Imported(params, slots, skipped)


def _check_depth(config: BertConfig, tensors: int, source: object) -> None:
  """Refuses more layers than tensors before a table of them is made."""
  if config.num_hidden_layers > tensors:
    raise InputError(
      f'{source}: holds {tensors} tensors, too few for '
      f'{config.num_hidden_layers} layers; use the configuration that came '
      'with them'
    )


def _message(source: object, faults: list[str]) -> str:
  more = len(faults) - _SHOWN
  return (
    f'{source}: not the weights of this architecture; use the configuration '
    f'that came with them: {"; ".join(faults[:_SHOWN])}'
    + (f'; and {more} more' if more > 0 else '')
  )


def _sort(
  tensors: Mapping[str, LazyTensor],
  column: str,
  by_name: Mapping[str, Row],
  skip: str,
) -> tuple[
  dict[str, LazyTensor], dict[str, LazyTensor], Counter[str], list[str]
]:
  """(the model's by the table's name, slots, skipped, faults)."""
  stored: dict[str, LazyTensor] = {}
  slots: dict[str, LazyTensor] = {}
  skipped: Counter[str] = Counter()
  faults: list[str] = []
  for name, tensor in tensors.items():
    known = canonical(name) if column == HUGGINGFACE else name
    if skip and re.fullmatch(skip, name):
      skipped['left out as asked'] += 1
    elif known in stored:
      faults.append(f'duplicated {known} (as {name} too)')
    elif known in by_name:
      stored[known] = tensor
    elif _BUFFER.fullmatch(name):
      skipped['a buffer (position_ids)'] += 1
    elif known in _TIED:
      skipped['tied to another (decoder)'] += 1
    elif match := _SLOT.fullmatch(name):
      slots[name] = tensor
      skipped[f'optimizer slots ({match["kind"]})'] += 1
    elif _COUNTERS.fullmatch(name):
      slots[name] = tensor
      skipped[f'counters ({name})'] += 1
    else:
      faults.append(f'unmapped {name} {list(tensor.shape)}')
  bias = 'cls.predictions.bias'
  if (
    column == HUGGINGFACE
    and bias not in stored
    and f'{_DECODER}.bias' in tensors
  ):
    stored[bias] = tensors[f'{_DECODER}.bias']
  return stored, slots, skipped, faults


def canonical(name: str) -> str:
  """A Hugging Face key in today's spelling, with the prefix `bert.`."""
  name = name.replace('LayerNorm.gamma', 'LayerNorm.weight')
  name = name.replace('LayerNorm.beta', 'LayerNorm.bias')
  if name.split('.')[0] in ('embeddings', 'encoder', 'pooler'):
    return f'bert.{name}'
  return name


def _shape_fault(
  row: Row, column: str, config: BertConfig, tensor: LazyTensor
) -> str:
  """The fault of a stored tensor's shape or type; '' if it has none."""
  name, expected = row.name(column), row.sizes(config)
  if column in row.transposed:
    expected = expected[::-1]
  if tensor.dtype not in FLOATS:
    return f'{name} is stored as {tensor.dtype}, not as floats'
  fits = len(expected) == len(tensor.shape) and all(
    want in (None, size)
    for want, size in zip(expected, tensor.shape, strict=True)
  )
  if fits:
    return ''
  wanted = ', '.join('any' if n is None else str(n) for n in expected)
  return f'{name} is {list(tensor.shape)}, not [{wanted}]'


def _classes_fault(params: Mapping[str, np.ndarray]) -> str:
  """Says that a classifier's kernel and bias count different classes."""
  for name in CLASSIFIERS:
    kernel, bias = params.get(f'{name}/kernel'), params.get(f'{name}/bias')
    if kernel is not None and bias is not None and kernel.shape[1] != len(bias):
      rows = kernel.shape[1]
      return f'the classifier has {rows} rows but {len(bias)} biases'
  return ''


def _check_tied(
  tensors: Mapping[str, LazyTensor],
  params: dict[str, np.ndarray],
  source: object,
) -> None:
  """Refuses a decoder that differs from what it is tied to."""
  ours = {row.huggingface: row.ours for row in table(0)}
  for name, tied_to in _TIED.items():
    if name not in tensors or ours[tied_to] not in params:
      continue
    if not np.array_equal(
      tensors[name].read().astype(np.float32), params[ours[tied_to]]
    ):
      raise InputError(
        f'{source}: {name} differs from {tied_to}; only models that tie them '
        'are read'
      )


def check(
  params: Mapping[str, np.ndarray], config: BertConfig, source: object
) -> None:
  """Compares parameters in our own names with the table.

  Args:
    params: path -> array, layers unrolled.
    config: the architecture.
    source: where they come from, for messages.

  Raises:
    InputError: lists the tensors that are unmapped, missing or of the
      wrong shape.
  """
  _check_depth(config, len(params), source)
  rows = table(config.num_hidden_layers)
  present = set(groups_of(params))
  faults = [f'unmapped {p}' for p in params.keys() - {r.ours for r in rows}]
  for row in rows:
    array = params.get(row.ours)
    if array is not None:
      wanted = row.sizes(config)
      if len(wanted) != array.ndim or any(
        want not in (None, size)
        for want, size in zip(wanted, array.shape, strict=True)
      ):
        faults.append(f'{row.ours} is {list(array.shape)}, not {list(wanted)}')
    elif row.group in present:
      faults.append(f'missing {row.ours}')
  if not faults and (fault := _classes_fault(params)):
    faults.append(fault)
  if faults:
    raise InputError(_message(source, faults))


def write(
  params: Mapping[str, np.ndarray], column: str, num_hidden_layers: int
) -> dict[str, np.ndarray]:
  """Our parameters under the names and layouts of a column.

  Args:
    params: path -> array, layers unrolled.
    column: `TENSORFLOW` or `HUGGINGFACE`.
    num_hidden_layers: N.

  Returns:
    stored name -> array, a view where it is transposed; in the table's order.

  Raises:
    ValueError: a path that the table lacks; a fault of ours.
  """
  rows = table(num_hidden_layers)
  unknown = params.keys() - {row.ours for row in rows}
  if unknown:
    raise ValueError(f'no names for {sorted(unknown)[:_SHOWN]}')
  return {
    row.name(column): (
      params[row.ours].T if column in row.transposed else params[row.ours]
    )
    for row in rows
    if row.ours in params
  }

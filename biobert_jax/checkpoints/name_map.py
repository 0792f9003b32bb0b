"""The one name table: TF1 BERT variables <-> ours <-> Hugging Face tensors.

Names of other programs become ours first (`foreign_names.py`).

Kernels are [in, out] in ours and in TF1; Hugging Face keeps all as [out, in],
and TF1 those of its heads (run_ner.py:372, run_squad.py:576,
run_pretraining.py:289 of google-research/bert and dmis-lab/biobert).
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from biobert_jax.checkpoints import foreign_names
from biobert_jax.checkpoints.formats.file_magic import (
  LazyTensor,
  refuse_nonfinite,
)
from biobert_jax.errors import InputError
from biobert_jax.models.config import BertConfig

TENSORFLOW, HUGGINGFACE = 'tensorflow', 'huggingface'
FOREIGN = 'foreign'  # Read only, see `foreign_names.py`.
# Other types of weights (int8, fp8, ...) mean nothing without their scales.
_FLOATS = ('float32', 'float16', 'bfloat16', 'float64')
_SHOWN = 8  # Tensors that one error lists.

# Groups of rows that a checkpoint holds wholly or not at all.
ENCODER, POOLER = 'encoder', 'pooler'
# Groups whose classes are the checkpoint's own.
CLASSIFIERS = ('classifier', 'entity_classifier')


def _dense(shape: str) -> dict[str, str]:
  return {'kernel': shape, 'bias': shape[-1]}


# Module -> shapes of its parameters, in the letters of `models/config.py` and
# digits; `C`, the number of classes, is the checkpoint's own; `E` is 2 D.
_NORM = {'scale': 'D', 'bias': 'D'}
_EMBEDDINGS = {
  'bert/embeddings': {
    'word_embeddings': 'VD',
    'position_embeddings': 'XD',
    'token_type_embeddings': 'TD',
  },
  'bert/embeddings/LayerNorm': _NORM,
}
_LAYER = {
  'attention/self/query': _dense('DD'),
  'attention/self/key': _dense('DD'),
  'attention/self/value': _dense('DD'),
  'attention/output/dense': _dense('DD'),
  'attention/output/LayerNorm': _NORM,
  'intermediate/dense': _dense('DF'),
  'output/dense': _dense('FD'),
  'output/LayerNorm': _NORM,
}
_OTHERS = (
  (POOLER, 'bert/pooler/dense', _dense('DD')),
  ('masked_lm', 'cls/predictions/transform/dense', _dense('DD')),
  ('masked_lm', 'cls/predictions/transform/LayerNorm', _NORM),
  ('masked_lm', 'cls/predictions', {'bias': 'V'}),
  ('next_sentence', 'cls/seq_relationship', _dense('D2')),
  ('classifier', 'classifier', _dense('DC')),
  ('qa_outputs', 'qa_outputs', _dense('D2')),
  ('yes_no', 'yes_no', _dense('D1')),
  ('entity_classifier', 'entity_classifier', _dense('EC')),
)
GROUPS = tuple(dict.fromkeys([ENCODER, *(group for group, *_ in _OTHERS)]))
# Module of a head -> TF1's variables. No class of transformers has a yes/no
# head, nor one on a pair of entities, for which TF1's code has no name either:
# those names are our own.
_TF_HEADS = {
  'cls/seq_relationship': 'cls/seq_relationship/output_{}',
  'classifier': 'output_{}',
  'qa_outputs': 'cls/squad/output_{}',
  'yes_no': 'cls/squad/output_{}_sgm',
  'entity_classifier': 'entity_classifier/output_{}',
}

# Scalars of optimizers and of their loss scale.
_COUNTERS = re.compile(
  r'(?:.+/)?(?:global_step|beta[12]_power(?:_\d+)?|(?:current_)?loss_scale'
  r'|(?:good|bad)_steps)'
)
# NVIDIA pads vocabularies to a multiple of it.
_PADDED_TO = 8
# A buffer that transformers saved until 4.31.
_BUFFER = re.compile(r'(bert\.)?embeddings\.position_ids')
# The tied decoder, which some versions write a second time.
_BIAS, _DECODER_BIAS = 'cls.predictions.bias', 'cls.predictions.decoder.bias'
_TIED = {
  'cls.predictions.decoder.weight': 'bert.embeddings.word_embeddings.weight',
  _DECODER_BIAS: _BIAS,
}


class Row(NamedTuple):
  """A tensor in three languages: the path of ours, TF1's, Hugging Face's."""

  ours: str
  tensorflow: str
  huggingface: str
  shape: str  # Ours.
  group: str  # One of `GROUPS`.
  transposed: tuple[str, ...]  # The columns that store it transposed.

  def name(self, column: str) -> str:
    """Its name in a column; a foreign one becomes ours before."""
    names = {TENSORFLOW: self.tensorflow, HUGGINGFACE: self.huggingface}
    return names.get(column, self.ours)

  def turned(self, array: np.ndarray, column: str) -> np.ndarray:
    """Between our layout and that of a column."""
    return array.T if column in self.transposed else array

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
    }
    return tuple(letters[x] if x in letters else int(x) for x in self.shape)


def _row(module: str, leaf: str, shape: str, group: str) -> Row:
  """The row of a parameter; names follow the TF scopes, except in heads."""
  path, is_bias = f'{module}/{leaf}', leaf == 'bias'
  variable = path
  transposed: tuple[str, ...] = (HUGGINGFACE,)
  if module in _TF_HEADS:
    variable = _TF_HEADS[module].format('bias' if is_bias else 'weights')
    transposed = (TENSORFLOW, HUGGINGFACE)
  elif module.endswith('LayerNorm'):
    variable = f'{module}/{"beta" if is_bias else "gamma"}'
  elif module == 'cls/predictions':
    variable = f'{module}/output_bias'
  key = module.replace('layer_', 'layer.').replace('/', '.')
  if module == 'bert/embeddings':
    key += f'.{leaf}'
  key += '.bias' if is_bias else '.weight'
  turned = transposed if leaf == 'kernel' else ()
  return Row(path, variable, key, shape, group, turned)


def table(num_hidden_layers: int) -> tuple[Row, ...]:
  """Encoder, pooler and every head of a model of so many layers."""
  modules = [(ENCODER, path, leaves) for path, leaves in _EMBEDDINGS.items()]
  for i in range(num_hidden_layers):
    for part, leaves in _LAYER.items():
      modules.append((ENCODER, f'bert/encoder/layer_{i}/{part}', leaves))
  return tuple(
    _row(path, leaf, shape, group)
    for group, path, leaves in (*modules, *_OTHERS)
    for leaf, shape in leaves.items()
  )


class Imported(NamedTuple):
  """A whole checkpoint in our names."""

  params: dict[str, np.ndarray]  # path -> float32, layers unrolled.
  slots: dict[str, LazyTensor]  # The optimizer's, by their stored name.
  skipped: Counter[str]  # Why -> how many tensors.
  prefix: str = ''  # Taken off stored names.

  @property
  def groups(self) -> tuple[str, ...]:
    """Which of `GROUPS` it holds."""
    return groups_of(self.params)

  def read_slots(self, source: object) -> dict[str, np.ndarray]:
    """The optimizer's arrays by their stored name; `source` is for messages."""
    arrays = {name: slot.read() for name, slot in self.slots.items()}
    for name, array in arrays.items():
      refuse_nonfinite(source, name, array)
    return arrays

  def __str__(self) -> str:
    groups = ', '.join(group.replace('_', ' ') for group in self.groups)
    skipped = sorted(self.skipped.items())
    lines = [f'  {n} skipped: {why}' for why, n in skipped]
    if self.prefix:
      lines.append(f'  read without the prefix {self.prefix!r} of their names')
    first = f'{len(self.params)} tensors of the model ({groups})'
    return '\n'.join([first, *lines])


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

  `column` is whose names those are, `TENSORFLOW`, `HUGGINGFACE` or `FOREIGN`;
  `skip` a regular expression of stored names to leave out; `source` is for
  messages.
  """
  rows = _rows(config, len(tensors), source)
  by_name = {row.name(column): row for row in rows}
  kept = {
    name: tensor
    for name, tensor in tensors.items()
    if not skip or not re.fullmatch(skip, name)
  }
  if other := foreign_names.other_model(kept):
    what = f'{source}: tensors of {other}, which is another model'
    raise InputError(f'{what}; only BERT is read')
  contents = Imported({}, {}, Counter())
  if len(kept) < len(tensors):
    contents.skipped['left out as asked'] = len(tensors) - len(kept)
  tensors, prefix = _renamed(kept, column, by_name, config, contents.skipped)
  contents = contents._replace(prefix=prefix)
  stored, faults = _sort(tensors, column, by_name, config, contents)
  present = {by_name[name].group for name in stored} | {ENCODER}
  for name, row in by_name.items():
    if name in stored:
      faults += _shape_faults(row, column, config, stored[name])
    elif row.group in present:
      faults.append(f'missing {name}')
  _refuse(source, faults)
  for name, row in by_name.items():
    if name in stored:
      array = stored[name].read().astype(np.float32, copy=False)
      refuse_nonfinite(source, name, array)
      if row.shape[0] == 'V' and (extra := len(array) - config.vocab_size):
        contents.skipped[f'{extra} rows of padding of {name}'] += 1
        array = array[: config.vocab_size]
      contents.params[row.ours] = row.turned(array, column)
  _refuse(source, _class_faults(contents.params))
  _check_tied(tensors, contents.params, source)
  return contents


def _rows(config: BertConfig, tensors: int, source: object) -> tuple[Row, ...]:
  """The table, unless it would have more layers than there are tensors."""
  layers = config.num_hidden_layers
  if layers > tensors:
    what = f'{source}: holds {tensors} tensors, too few for {layers} layers'
    raise InputError(f'{what}; use the configuration that came with them')
  return table(layers)


def _refuse(source: object, faults: list[str]) -> None:
  more = len(faults) - _SHOWN
  if faults:
    raise InputError(
      f'{source}: not the weights of this architecture; use the configuration '
      f'that came with them: {"; ".join(faults[:_SHOWN])}'
      + (f'; and {more} more' if more > 0 else '')
    )


def _renamed(
  tensors: Mapping[str, LazyTensor],
  column: str,
  by_name: Mapping[str, Row],
  config: BertConfig,
  skipped: Counter[str],
) -> tuple[dict[str, LazyTensor], str]:
  """Tensors by the names of the table, and the prefix that those had."""
  if column == FOREIGN:
    layers = config.num_hidden_layers
    return foreign_names.in_our_names(tensors, layers, skipped), ''
  separator = '/' if column == TENSORFLOW else '.'

  def is_known(name: str) -> bool:
    known = _canonical(name) if column == HUGGINGFACE else name
    return (
      known in by_name
      or known in _TIED
      or bool(_BUFFER.fullmatch(name) or _COUNTERS.fullmatch(name))
      or known.rpartition(separator)[0] in by_name
    )

  return foreign_names.without_prefix(tensors, is_known, separator)


def _sort(
  tensors: Mapping[str, LazyTensor],
  column: str,
  by_name: Mapping[str, Row],
  config: BertConfig,
  contents: Imported,
) -> tuple[dict[str, LazyTensor], list[str]]:
  """The model's tensors by the table's names, and faults; fills `contents`."""
  stored: dict[str, LazyTensor] = {}
  faults: list[str] = []
  slots, skipped = contents.slots, contents.skipped
  for name, tensor in tensors.items():
    known = _canonical(name) if column == HUGGINGFACE else name
    # An optimizer's: a variable's name and one more part, of its shape.
    of, _, part = known.rpartition('/')
    if known in stored:
      faults.append(f'duplicated {known} (as {name} too)')
    elif known in by_name:
      stored[known] = tensor
    elif _BUFFER.fullmatch(name):
      skipped['a buffer (position_ids)'] += 1
    elif known in _TIED:
      skipped['tied to another (decoder)'] += 1
    elif of in by_name and _fits(
      tensor.shape,
      tensors[of].shape
      if of in tensors
      else _stored_sizes(by_name[of], column, config),
    ):
      slots[name] = tensor
      skipped[f'optimizer slots ({part})'] += 1
    elif _COUNTERS.fullmatch(name) and not tensor.shape:
      slots[name] = tensor
      skipped[f'counters ({name})'] += 1
    else:
      faults.append(f'unmapped {name} {list(tensor.shape)}')
  if column == HUGGINGFACE and _DECODER_BIAS in tensors:
    stored.setdefault(_BIAS, tensors[_DECODER_BIAS])
  return stored, faults


def _canonical(name: str) -> str:
  """A Hugging Face key in today's spelling, with the prefix `bert.`."""
  name = name.replace('.dense_act.', '.dense.')  # NVIDIA's.
  name = name.replace('LayerNorm.gamma', 'LayerNorm.weight')
  name = name.replace('LayerNorm.beta', 'LayerNorm.bias')
  if name.split('.')[0] in ('embeddings', 'encoder', 'pooler'):
    return f'bert.{name}'
  return name


def _stored_sizes(
  row: Row, column: str, config: BertConfig
) -> tuple[int | None, ...]:
  """Its shape in a column, in numbers; None where the checkpoint decides."""
  sizes = row.sizes(config)
  return sizes[::-1] if column in row.transposed else sizes


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
  return len(shape) == len(wanted) and all(
    want in (None, size) for want, size in zip(wanted, shape, strict=True)
  )


def _shape_faults(
  row: Row, column: str, config: BertConfig, tensor: LazyTensor
) -> list[str]:
  """The fault of a stored tensor's shape or type, if it has one."""
  name, wanted = row.name(column), _stored_sizes(row, column, config)
  if tensor.dtype not in _FLOATS:
    return [f'{name} is stored as {tensor.dtype}, not as floats']
  padded = -(-config.vocab_size // _PADDED_TO) * _PADDED_TO
  if row.shape[0] == 'V' and tensor.shape[:1] == (padded,):
    wanted = (padded, *wanted[1:])
  if _fits(tensor.shape, wanted):
    return []
  sizes = ', '.join('any' if n is None else str(n) for n in wanted)
  return [f'{name} is {list(tensor.shape)}, not [{sizes}]']


def _class_faults(params: Mapping[str, np.ndarray]) -> list[str]:
  """Whether a classifier's kernel and bias count different classes."""
  for name in CLASSIFIERS:
    kernel, bias = params.get(f'{name}/kernel'), params.get(f'{name}/bias')
    if kernel is not None and bias is not None and kernel.shape[1] != len(bias):
      rows = kernel.shape[1]
      return [f'the classifier has {rows} rows but {len(bias)} biases']
  return []


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
    array, own = tensors[name].read().astype(np.float32), params[ours[tied_to]]
    if not np.array_equal(array[: len(own)], own):
      what = f'{source}: {name} differs from {tied_to}'
      raise InputError(f'{what}; only models that tie them are read')


def check(
  params: Mapping[str, np.ndarray], config: BertConfig, source: object
) -> None:
  """Compares parameters in our own names, layers unrolled, with the table.

  Numbers that are not finite are refused.
  """
  rows = _rows(config, len(params), source)
  present = set(groups_of(params))
  faults = [f'unmapped {p}' for p in params.keys() - {r.ours for r in rows}]
  for row in rows:
    array = params.get(row.ours)
    if array is None:
      if row.group in present:
        faults.append(f'missing {row.ours}')
    elif not _fits(array.shape, wanted := row.sizes(config)):
      faults.append(f'{row.ours} is {list(array.shape)}, not {list(wanted)}')
  _refuse(source, faults or _class_faults(params))
  for path, array in params.items():
    refuse_nonfinite(source, path, array)


def write(
  params: Mapping[str, np.ndarray], column: str, num_hidden_layers: int
) -> dict[str, np.ndarray]:
  """Our parameters under the names and layouts of a column, in its order."""
  rows = table(num_hidden_layers)
  unknown = params.keys() - {row.ours for row in rows}
  if unknown:
    raise ValueError(f'no names for {sorted(unknown)[:_SHOWN]}')
  return {
    row.name(column): row.turned(params[row.ours], column)
    for row in rows
    if row.ours in params
  }

from collections.abc import Callable

import numpy as np
import pytest

from biobert_jax.checkpoints import name_map
from biobert_jax.checkpoints.formats.file_magic import LazyTensor
from biobert_jax.checkpoints.name_map import HUGGINGFACE, TENSORFLOW
from biobert_jax.errors import InputError
from tests.fixtures.bert_parameters import TINY, parameters

COLUMNS = (TENSORFLOW, HUGGINGFACE)
Tensors = dict[str, LazyTensor]


def stored(array: np.ndarray, dtype: str = '') -> LazyTensor:
  return LazyTensor(array.shape, dtype or array.dtype.name, lambda: array)


def checkpoint(column: str, leave_out: tuple[str, ...] = ()) -> Tensors:
  params = {
    path: array
    for path, array in parameters().items()
    if not path.startswith(leave_out)
  }
  return {
    name: stored(array)
    for name, array in name_map.write(params, column, 2).items()
  }


def read(tensors: Tensors, column: str, skip: str = '') -> name_map.Imported:
  return name_map.read(tensors, column, TINY, 'here', skip)


@pytest.mark.parametrize('num_hidden_layers', [2, 12, 24])
def test_each_row_has_a_name_of_its_own_in_each_column(
  num_hidden_layers: int,
) -> None:
  rows = name_map.table(num_hidden_layers)
  # 5 of the embeddings, 16 a layer, pooler 2, heads 5 and 2 each.
  assert len(rows) == 5 + 16 * num_hidden_layers + 2 + 5 + 5 * 2
  for column in ('ours', 'tensorflow', 'huggingface'):
    assert len({getattr(row, column) for row in rows}) == len(rows)
  assert {row.group for row in rows} == set(name_map.GROUPS)


def test_names_are_those_of_the_three_worlds() -> None:
  by_path = {row.ours: row for row in name_map.table(1)}
  layer = 'bert/encoder/layer_0/attention'
  row = by_path[f'{layer}/output/LayerNorm/bias']
  assert row.tensorflow == f'{layer}/output/LayerNorm/beta'
  dotted = 'bert.encoder.layer.0.attention'
  assert row.huggingface == f'{dotted}.output.LayerNorm.bias'
  row = by_path[f'{layer}/self/query/kernel']
  assert row.tensorflow == f'{layer}/self/query/kernel'
  assert row.huggingface == f'{dotted}.self.query.weight'
  assert row.transposed == (HUGGINGFACE,)
  heads = [
    (row.ours, row.tensorflow, row.huggingface)
    for row in name_map.table(0)
    if row.group not in ('encoder', 'pooler')
  ]
  assert heads == [
    *(
      (
        f'cls/predictions/transform/{ours}',
        f'cls/predictions/transform/{theirs}',
        f'cls.predictions.transform.{dotted}',
      )
      for ours, theirs, dotted in (
        ('dense/kernel', 'dense/kernel', 'dense.weight'),
        ('dense/bias', 'dense/bias', 'dense.bias'),
        ('LayerNorm/scale', 'LayerNorm/gamma', 'LayerNorm.weight'),
        ('LayerNorm/bias', 'LayerNorm/beta', 'LayerNorm.bias'),
      )
    ),
    (
      'cls/predictions/bias',
      'cls/predictions/output_bias',
      'cls.predictions.bias',
    ),
    (
      'cls/seq_relationship/kernel',
      'cls/seq_relationship/output_weights',
      'cls.seq_relationship.weight',
    ),
    (
      'cls/seq_relationship/bias',
      'cls/seq_relationship/output_bias',
      'cls.seq_relationship.bias',
    ),
    ('classifier/kernel', 'output_weights', 'classifier.weight'),
    ('classifier/bias', 'output_bias', 'classifier.bias'),
    ('qa_outputs/kernel', 'cls/squad/output_weights', 'qa_outputs.weight'),
    ('qa_outputs/bias', 'cls/squad/output_bias', 'qa_outputs.bias'),
    ('yes_no/kernel', 'cls/squad/output_weights_sgm', 'yes_no.weight'),
    ('yes_no/bias', 'cls/squad/output_bias_sgm', 'yes_no.bias'),
    (
      'entity_classifier/kernel',
      'entity_classifier/output_weights',
      'entity_classifier.weight',
    ),
    (
      'entity_classifier/bias',
      'entity_classifier/output_bias',
      'entity_classifier.bias',
    ),
  ]


@pytest.mark.parametrize('column', COLUMNS)
def test_there_and_back_gives_the_same_bits(column: str) -> None:
  contents = read(checkpoint(column), column)
  params = parameters()
  assert contents.params.keys() == params.keys()
  for path, array in params.items():
    np.testing.assert_array_equal(contents.params[path], array)
  assert contents.groups == name_map.GROUPS
  assert not contents.skipped


@pytest.mark.parametrize(
  ('column', 'name', 'shape'),
  [
    # run_ner.py keeps its head as [labels, hidden] and multiplies by its
    # transpose; dense kernels are [in, out]; torch keeps all as [out, in].
    (TENSORFLOW, 'output_weights', (3, 4)),
    (TENSORFLOW, 'cls/seq_relationship/output_weights', (2, 4)),
    (TENSORFLOW, 'bert/encoder/layer_0/intermediate/dense/kernel', (4, 6)),
    (HUGGINGFACE, 'classifier.weight', (3, 4)),
    (HUGGINGFACE, 'bert.encoder.layer.0.intermediate.dense.weight', (6, 4)),
  ],
)
def test_layouts_are_theirs(
  column: str, name: str, shape: tuple[int, ...]
) -> None:
  assert checkpoint(column)[name].shape == shape


def test_half_precision_is_read_as_float32() -> None:
  tensors = checkpoint(HUGGINGFACE)
  name = 'bert.pooler.dense.bias'
  half = np.asarray([1, 2, 3, 4], np.float16)
  tensors[name] = stored(half)
  array = read(tensors, HUGGINGFACE).params['bert/pooler/dense/bias']
  assert array.dtype == np.float32
  np.testing.assert_array_equal(array, half)


@pytest.mark.parametrize('column', COLUMNS)
@pytest.mark.parametrize('wrong', [np.nan, np.inf])
def test_a_tensor_that_is_not_finite_is_named(
  column: str, wrong: float
) -> None:
  tensors = checkpoint(column)
  row = next(r for r in name_map.table(2) if r.ours == 'bert/pooler/dense/bias')
  bad = np.asarray([0, wrong, 0, wrong], np.float32)
  tensors[row.name(column)] = stored(bad)
  message = f'^here: 2 of 4 numbers of {row.name(column)} are not finite'
  with pytest.raises(InputError, match=message):
    read(tensors, column)
  with pytest.raises(InputError, match=f'of {row.ours} are not finite'):
    name_map.check(parameters() | {row.ours: bad}, TINY, 'here')


def test_older_spellings_and_a_bare_encoder_are_read() -> None:
  heads = ('classifier', 'qa_outputs', 'yes_no', 'entity_classifier', 'cls')
  tensors = {}
  for name, tensor in checkpoint(HUGGINGFACE, heads).items():
    old = name.replace('LayerNorm.weight', 'LayerNorm.gamma')
    old = old.replace('LayerNorm.bias', 'LayerNorm.beta')
    tensors[old.removeprefix('bert.')] = tensor
  assert 'embeddings.LayerNorm.gamma' in tensors
  contents = read(tensors, HUGGINGFACE)
  assert contents.groups == ('encoder', 'pooler')
  params = parameters()
  for path, array in contents.params.items():
    np.testing.assert_array_equal(array, params[path])


def test_leftovers_are_counted_and_kept_apart() -> None:
  tensors = checkpoint(TENSORFLOW)
  leftovers = {
    'bert/pooler/dense/bias/adam_m': 'optimizer slots (adam_m)',
    'output_bias/BERTAdam_1': 'optimizer slots (BERTAdam_1)',
    'output_weights/lamb_v': 'optimizer slots (lamb_v)',
    'output_bias/ExponentialMovingAverage': (
      'optimizer slots (ExponentialMovingAverage)'
    ),
    'beta1_power': 'counters (beta1_power)',
    'global_step': 'counters (global_step)',
    'loss_scale/current_loss_scale': 'counters (loss_scale/current_loss_scale)',
    'loss_scale/good_steps': 'counters (loss_scale/good_steps)',
  }
  for name in leftovers:
    of = tensors.get(name.rpartition('/')[0])
    tensors[name] = stored(np.zeros(of.shape if of else (), np.float32))
  contents = read(tensors, TENSORFLOW)
  assert contents.slots.keys() == leftovers.keys()
  assert dict(contents.skipped) == dict.fromkeys(leftovers.values(), 1)
  assert '  1 skipped: counters (global_step)' in str(contents)
  # Another shape is none of an optimizer's.
  tensors['output_bias/BERTAdam_1'] = stored(np.zeros(9, np.float32))
  with pytest.raises(
    InputError, match=r'unmapped output_bias/BERTAdam_1 \[9\]'
  ):
    read(tensors, TENSORFLOW)


def test_the_tied_decoder_may_stand_twice() -> None:
  tensors = checkpoint(HUGGINGFACE)
  table = tensors['bert.embeddings.word_embeddings.weight']
  tensors['cls.predictions.decoder.weight'] = table
  tensors['cls.predictions.decoder.bias'] = tensors['cls.predictions.bias']
  tensors['bert.embeddings.position_ids'] = stored(np.arange(5))
  contents = read(tensors, HUGGINGFACE)
  assert dict(contents.skipped) == {
    'tied to another (decoder)': 2,
    'a buffer (position_ids)': 1,
  }
  # Some write the bias under the decoder's name alone.
  del tensors['cls.predictions.bias']
  again = read(tensors, HUGGINGFACE)
  np.testing.assert_array_equal(
    again.params['cls/predictions/bias'], parameters()['cls/predictions/bias']
  )


def test_an_untied_decoder_is_refused() -> None:
  tensors = checkpoint(HUGGINGFACE)
  other = np.ones((7, 4), np.float32)
  tensors['cls.predictions.decoder.weight'] = stored(other)
  with pytest.raises(InputError, match=r'decoder\.weight differs from bert'):
    read(tensors, HUGGINGFACE)


def _rename(tensors: Tensors) -> None:
  tensors['bert/pooler/dence/bias'] = tensors.pop('bert/pooler/dense/bias')


def _drop(tensors: Tensors) -> None:
  del tensors['cls/squad/output_bias']


def _deeper(tensors: Tensors) -> None:
  name = 'bert/encoder/layer_2/output/dense/bias'
  tensors[name] = stored(np.zeros(4, np.float32))


def _shallower(tensors: Tensors) -> None:
  for name in [n for n in tensors if '/layer_1/' in n]:
    del tensors[name]


def _reshape(tensors: Tensors) -> None:
  tensors['output_weights'] = stored(np.zeros((4, 3), np.float32))


def _flatten(tensors: Tensors) -> None:
  tensors['bert/pooler/dense/kernel'] = stored(np.zeros(16, np.float32))


def _quantise(tensors: Tensors) -> None:
  tensors['output_bias'] = stored(np.zeros(3, np.int8))


def _other_classes(tensors: Tensors) -> None:
  tensors['output_bias'] = stored(np.zeros(4, np.float32))


@pytest.mark.parametrize(
  ('damage', 'messages'),
  [
    (
      _rename,
      ('unmapped bert/pooler/dence/bias [4]', 'missing bert/pooler/dense/bias'),
    ),
    (_drop, ('missing cls/squad/output_bias',)),
    (_deeper, ('unmapped bert/encoder/layer_2/output/dense/bias [4]',)),
    (_shallower, ('missing bert/encoder/layer_1/', 'and 8 more')),
    (_reshape, ('output_weights is [4, 3], not [any, 4]',)),
    (_flatten, ('bert/pooler/dense/kernel is [16], not [4, 4]',)),
    (_quantise, ('output_bias is stored as int8, not as floats',)),
    (_other_classes, ('the classifier has 3 rows but 4 biases',)),
  ],
)
def test_a_fault_is_listed(
  damage: Callable[[Tensors], None], messages: tuple[str, ...]
) -> None:
  tensors = checkpoint(TENSORFLOW)
  damage(tensors)
  with pytest.raises(InputError) as caught:
    read(tensors, TENSORFLOW)
  assert str(caught.value).startswith('here: ')
  for message in messages:
    assert message in str(caught.value)


def test_a_duplicated_tensor_is_listed() -> None:
  tensors = checkpoint(HUGGINGFACE)
  tensors['pooler.dense.bias'] = tensors['bert.pooler.dense.bias']
  with pytest.raises(InputError, match=r'duplicated bert\.pooler\.dense\.bias'):
    read(tensors, HUGGINGFACE)


def test_what_is_skipped_by_name_is_counted() -> None:
  tensors = checkpoint(TENSORFLOW, ('qa_outputs', 'yes_no'))
  tensors['teacher/kernel'] = stored(np.zeros(3, np.float32))
  with pytest.raises(InputError, match='unmapped teacher/kernel'):
    read(tensors, TENSORFLOW)
  contents = read(tensors, TENSORFLOW, skip='teacher/.*')
  assert contents.skipped['left out as asked'] == 1


def test_nothing_is_read_before_all_is_known_to_fit() -> None:
  tensors = checkpoint(TENSORFLOW)
  _drop(tensors)

  def read_it() -> np.ndarray:
    raise AssertionError('read')

  for name, tensor in tensors.items():
    tensors[name] = LazyTensor(tensor.shape, tensor.dtype, read_it)
  with pytest.raises(InputError, match='missing'):
    read(tensors, TENSORFLOW)


def test_own_parameters_are_checked_by_the_same_table() -> None:
  params = parameters()
  name_map.check(params, TINY, 'here')
  params['bert/pooler/dense/extra'] = np.zeros(1, np.float32)
  del params['yes_no/bias']
  params['bert/pooler/dense/bias'] = np.zeros(9, np.float32)
  with pytest.raises(InputError) as caught:
    name_map.check(params, TINY, 'here')
  for fault in (
    'unmapped bert/pooler/dense/extra',
    'missing yes_no/bias',
    'bert/pooler/dense/bias is [9], not [4]',
  ):
    assert fault in str(caught.value)


def test_paths_unknown_to_the_table_are_not_written() -> None:
  with pytest.raises(ValueError, match='no names for'):
    name_map.write({'bert/x': np.zeros(1)}, TENSORFLOW, 2)

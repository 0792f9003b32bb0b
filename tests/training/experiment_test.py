"""Wrong configs and folders end in one clear error."""

import json

import jax
import numpy as np
import pytest
from etils import epath
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from biobert_jax.errors import InputError
from biobert_jax.parallel import sharding
from biobert_jax.training import experiment, workdir
from tests.fixtures import small_run
from tests.fixtures.checkpoint_folders import checkpoint_folder


def test_checkpoint_brings_architecture_vocabulary_and_casing(tmp_path):
  folder = checkpoint_folder(tmp_path)
  made = experiment.from_config(small_run.config(init_from=str(folder)))
  assert made.bert.hidden_size == 16
  assert made.tokenizer.vocab_size == made.bert.vocab_size
  assert made.tokenizer.do_lower_case is False
  params = jax.eval_shape(made.task.init, jax.random.key(0))
  _, arrays = experiment.load_weights(made, params)
  assert 'bert/encoder/layer_0/attention/self/query/kernel' in arrays


def test_classes_of_another_name_are_taken_where_they_are_named(
  tmp_path, caplog
):
  (tmp_path / 'train.tsv').write_text('Fever\tB\nfell\tO\n')
  folder = checkpoint_folder(tmp_path, id2label={'0': 'a', '1': 'b', '2': 'c'})
  splits = {'data__devel_split': '', 'data__test_split': ''}
  for named, taken in ((None, False), (('O', 'B', 'I'), True)):
    config = small_run.config(
      init_from=str(folder),
      init_from_labels=named,
      data__dir=str(tmp_path),
      **splits,
    )
    made = experiment.from_config(config)
    params = jax.eval_shape(made.task.init, jax.random.key(0))
    _, arrays = experiment.load_weights(made, params)
    assert ('classifier/kernel' in arrays) == taken
    assert ('states the labels a,b,c' in caplog.text) == taken
  config.init_from_labels = ('O', 'B')
  made = experiment.from_config(config)
  with pytest.raises(InputError, match='3 classes, but 2 are named: O, B; '):
    experiment.load_weights(made, params)


def test_scanned_layers_load_the_same_weights(tmp_path):
  folder = checkpoint_folder(tmp_path)
  loaded = {}
  for scan in (False, True):
    made = experiment.from_config(
      small_run.config(init_from=str(folder), compute__scan_layers=scan)
    )
    params = jax.eval_shape(made.task.init, jax.random.key(0))
    _, loaded[scan] = experiment.load_weights(made, params)
    leaves = jax.tree_util.tree_leaves_with_path(params)
    paths = {sharding.param_path(path) for path, _ in leaves}
    assert loaded[scan].keys() <= paths
  part = 'attention/self/query/kernel'
  np.testing.assert_array_equal(
    loaded[True][f'bert/encoder/layers/layer/{part}'][0],
    loaded[False][f'bert/encoder/layer_0/{part}'],
  )


@pytest.mark.parametrize(
  ('overrides', 'message'),
  [
    ({'batch_size': 0}, 'batch_size is 0'),
    ({'batch_size': -1}, 'batch_size is -1'),
    ({'optim__learning_rate': float('nan')}, 'learning_rate is nan'),
    ({'optim__learning_rate': 1e20}, 'learning_rate is 1e'),
    ({'optim__warmup_fraction': 1.5}, 'warmup_fraction is 1.5'),
    ({'optim__name': 'adam'}, "optim.name is 'adam'; choose from adamw, lamb"),
    ({'optim__b1': 1.0}, 'optim.b1 is 1.0'),
    ({'optim__b2': -0.1}, 'optim.b2 is -0.1'),
    ({'optim__b2': float('nan')}, 'optim.b2 is nan'),
    ({'optim__eps': 0.0}, 'optim.eps is 0.0'),
    ({'optim__clip_norm': 0.0}, 'optim.clip_norm is 0.0'),
    ({'optim__clip_norm': float('nan')}, 'optim.clip_norm is nan'),
    ({'optim__weight_decay': 1.0}, r'weight_decay is 1.0; it must .*\[0, 1\)'),
    ({'train__steps': 0}, 'train.steps is 0; it must be at least 1'),
    ({'train__profile_step': 0}, 'train.profile_step is 0'),
    ({'train__keep': 'first'}, "train.keep is 'first'; choose from best, last"),
    ({'train__watchdog_seconds': -1.0}, 'watchdog_seconds is -1.0.*0 for none'),
    ({'compute__reduce_dtype': 'int8'}, "reduce_dtype is 'int8'; choose"),
    ({'train__epochs': 0.0}, 'train.epochs is 0'),
    ({'train__epochs': float('inf')}, 'train.epochs is inf'),
    ({'train__eval_batch_size': 0}, 'train.eval_batch_size is 0'),
    ({'compute__rng': 'threefry'}, "compute.rng is 'threefry'"),
    ({'compute__param_dtype': 'bfloat16'}, 'updates are too small for it'),
    ({'data__train_split': ''}, "data.train_split is ''; use train"),
    ({'task': 'parsing'}, "task is 'parsing'"),
    ({'data__max_seq_length': 600}, 'max_position_embeddings'),
    ({'data__window_overlap': 126}, 'window_overlap is 126'),
    ({'data__dir': ''}, 'data.dir is not set'),
    ({'data__dir': '/no/such/folder'}, '/no/such/folder'),
    ({'init_from': '/no/such/folder'}, '/no/such/folder'),
    ({'vocab__path': '/no/such/vocab.txt'}, '/no/such/vocab.txt'),
    ({'compute__attention': 'flash'}, "compute.attention is 'flash'"),
    ({'compute__attention': 'dot_product_attention'}, 'no dropout'),
    ({'compute__attention': 'splash_attention'}, 'no dropout.*prob=0 or'),
    (
      {
        'compute__attention': 'splash_attention',
        'model__attention_probs_dropout_prob': 0.0,
        'data__max_seq_length': 120,
      },
      'a multiple of 128 tokens, not 120.*max_seq_length=128 or --config',
    ),
    ({'compute__dtype': 'float8'}, "dtype is 'float8'"),
    ({'model__hidden_size': 33}, 'not a multiple'),
    ({'vocab__size': 20}, '20'),
  ],
)
def test_wrong_values_are_named(overrides, message):

  def prepare():
    config = small_run.config(**overrides)
    experiment.validate(config)
    experiment.from_config(config).dataset.rows('train')

  with pytest.raises(InputError, match=message) as caught:
    prepare()
  assert '\n' not in str(caught.value)


def test_vocabulary_of_another_size_than_the_checkpoint(tmp_path):
  folder = checkpoint_folder(tmp_path)
  with (folder / 'vocab.txt').open('a') as file:
    file.write('extra\n')
  with pytest.raises(InputError, match='193'):
    experiment.from_config(small_run.config(init_from=str(folder)))


def test_unknown_casing_is_an_error(tmp_path):
  folder = checkpoint_folder(tmp_path)
  (folder / 'tokenizer_config.json').unlink()
  with pytest.raises(InputError, match='do_lower_case'):
    experiment.from_config(small_run.config(init_from=str(folder)))


def test_label_only_in_test_is_an_error(tmp_path):
  for split in ('train', 'devel'):
    (tmp_path / f'{split}.tsv').write_text('Fever\tB-Disease\nfell\tO\n')
  (tmp_path / 'test.tsv').write_text('x\tO\nAspirin\tB-Chemical\n')
  with pytest.raises(InputError, match=r'test.tsv:2.*B-Chemical'):
    experiment.from_config(small_run.config(data__dir=str(tmp_path)))


def test_workdir_that_cannot_be_written(tmp_path):
  blocked = tmp_path / 'file'
  blocked.write_text('')
  made = experiment.from_config(small_run.config())
  with pytest.raises(InputError, match='--workdir'):
    workdir.save_experiment(made, epath.Path(blocked / 'run'))


@pytest.mark.parametrize('content', ['{"hidden_size": 4}', '{', '[]'])
def test_a_folder_of_another_program(tmp_path, content):
  """A Hugging Face folder has a `config.json` too."""
  (tmp_path / 'config.json').write_text(content)
  with pytest.raises(InputError, match='biobert-jax train'):
    workdir.from_workdir(epath.Path(tmp_path))


def test_other_weights_or_architecture_are_not_resumed(tmp_path):
  model = checkpoint_folder(tmp_path)
  made = experiment.from_config(small_run.config(init_from=str(model)))
  workdir.save_experiment(made, epath.Path(tmp_path / 'run'))
  workdir.save_experiment(made, epath.Path(tmp_path / 'run'))
  file = model / 'model.safetensors'
  file.write_bytes(file.read_bytes()[:-1] + b'x')
  with pytest.raises(InputError, match='weights_sha256'):
    workdir.save_experiment(made, epath.Path(tmp_path / 'run'))


def test_an_edited_devel_split_is_not_resumed(tmp_path):
  for split in ('train', 'devel', 'test'):
    (tmp_path / f'{split}.tsv').write_text('Fever\tB-Disease\nfell\tO\n')
  config = small_run.config(data__dir=str(tmp_path), vocab__size=60)
  made = experiment.from_config(config)
  workdir.save_experiment(made, epath.Path(tmp_path / 'run'))
  (tmp_path / 'devel.tsv').write_text('Fever\tB-Disease\nrose\tO\n')
  with pytest.raises(InputError, match='data_sha256'):
    workdir.save_experiment(
      experiment.from_config(config), epath.Path(tmp_path / 'run')
    )


def test_a_folder_without_a_run(tmp_path):
  with pytest.raises(InputError, match='no such file'):
    workdir.from_workdir(epath.Path(tmp_path))


def test_every_fixed_field_is_guarded(tmp_path):
  made = experiment.from_config(small_run.config())
  workdir.save_experiment(made, epath.Path(tmp_path))
  record = json.loads((tmp_path / 'config.json').read_text())
  flat = experiment.flatten(record['config'])
  free = [k for k in flat if k.startswith(workdir.RESUMABLE_OVERRIDES)]
  assert 'optim.learning_rate' not in free
  for key, value in flat.items():
    changed = json.loads(json.dumps(record))
    node = changed['config']
    *parents, leaf = key.split('.')
    for parent in parents:
      node = node[parent]
    node[leaf] = 'other' if value != 'other' else 'another'
    found = workdir.changes(changed, record, made, epath.Path(tmp_path))
    assert [*found] == [key] * (key not in free)


def test_replaced_parameters_keep_dtype_and_sharding():
  mesh = jax.make_mesh((8,), ('data',))
  sharded = NamedSharding(mesh, P('data'))
  params = {
    'encoder': {'kernel': jax.device_put(np.zeros((8, 2)), sharded)},
    'head': jax.device_put(np.ones(3), NamedSharding(mesh, P())),
  }
  new = np.arange(16.0, dtype=np.float64).reshape(8, 2)
  replaced = experiment.replace_params(params, {'encoder/kernel': new})
  kernel = replaced['encoder']['kernel']
  np.testing.assert_array_equal(kernel, new)
  assert kernel.dtype == params['encoder']['kernel'].dtype
  assert kernel.sharding == sharded
  assert replaced['head'] is params['head']

"""Whatever lies at a path, as our parameters; and imports of it."""

import json
import pathlib
import shutil
import subprocess
import sys
import tarfile
import time

import jax
import numpy as np
import pytest

from biobert_jax.checkpoints import (
  detect,
  huggingface,
  import_weights,
  pretrained,
)
from biobert_jax.checkpoints.formats import orbax_params
from biobert_jax.errors import InputError
from biobert_jax.inference import tagger
from biobert_jax.models.heads import HEADS
from biobert_jax.training import evaluate, experiment, train, workdir
from tests.fixtures import model_folders, random_models, small_run
from tests.fixtures.model_folders import LABELS

Path = pathlib.Path


def assert_equal(
  params: dict[str, np.ndarray], wanted: dict[str, np.ndarray]
) -> None:
  assert params.keys() == wanted.keys()
  for path, array in wanted.items():
    np.testing.assert_array_equal(params[path], array, err_msg=path)


@pytest.mark.parametrize('head', HEADS)
def test_every_head_is_recognised_and_imported(
  head: str, tmp_path: Path
) -> None:
  params = model_folders.write_huggingface(tmp_path / 'model', head)
  model = pretrained.load_pretrained(tmp_path / 'model')
  assert (model.source.form, model.head) == ('huggingface', head)
  assert model.labels == model_folders.labels_of(head)
  assert_equal(model.params, params)
  report = import_weights.import_weights(model, str(tmp_path / 'kept'))
  assert report['head'] == head
  again = pretrained.load_pretrained(tmp_path / 'kept')
  assert again.source.form == 'imported'
  assert_equal(again.params, params)
  pretrained.check_equal(model, again)


def test_slots_are_kept_when_asked(tmp_path: Path) -> None:
  slots = {
    'global_step': np.asarray(7, np.int64),
    'bert/pooler/dense/bias/adam_m': np.ones(24, np.float32),
  }
  params = model_folders.write_tensorflow(tmp_path / 'tf', **slots)
  model = pretrained.load_pretrained(tmp_path / 'tf', do_lower_case=False)
  assert (model.source.form, model.head) == ('tensorflow', 'pretraining')
  import_weights.import_weights(model, str(tmp_path / 'without'))
  assert pretrained.load_pretrained(tmp_path / 'without').contents.slots == {}
  import_weights.import_weights(model, str(tmp_path / 'with'), slots=True)
  again = pretrained.load_pretrained(tmp_path / 'with')
  assert_equal(again.params, params)
  kept = {n: slot.read() for n, slot in again.contents.slots.items()}
  assert kept.keys() == slots.keys()
  for name, array in slots.items():
    assert kept[name].dtype == array.dtype
    np.testing.assert_array_equal(kept[name], array)


@pytest.mark.parametrize('given', ['prefix', 'index', 'folder', 'archive'])
def test_a_tf_checkpoint_by_any_name(given: str, tmp_path: Path) -> None:
  folder = tmp_path / 'biobert_v1.1'
  params = model_folders.write_tensorflow(folder)
  archive = tmp_path / 'biobert_v1.1.tar.gz'
  with tarfile.open(archive, 'w:gz') as tar:
    tar.add(folder, folder.name)
  path = {
    'prefix': folder / 'bert_model.ckpt',
    'index': folder / 'bert_model.ckpt.index',
    'folder': folder,
    'archive': archive,
  }[given]
  model = pretrained.load_pretrained(path, do_lower_case=False)
  assert_equal(model.params, params)


def test_an_unpacked_archive_goes_when_no_longer_used(tmp_path: Path) -> None:
  model_folders.write_huggingface(tmp_path / 'model')
  archive = tmp_path / 'model.tar.gz'
  with tarfile.open(archive, 'w:gz') as tar:
    tar.add(tmp_path / 'model', 'model')
  found = detect.detect(archive)
  unpacked = found.folder
  assert (unpacked / 'vocab.txt').exists()
  del found
  assert not unpacked.exists()


def test_two_kinds_in_a_folder_are_not_chosen_between(tmp_path: Path) -> None:
  model_folders.write_huggingface(tmp_path)
  model_folders.write_tensorflow(tmp_path)
  with pytest.raises(InputError, match='holds model.safetensors and a TF1'):
    detect.detect(tmp_path)
  one = detect.detect(tmp_path / 'model.safetensors')
  other = detect.detect(tmp_path / 'bert_model.ckpt')
  assert (one.form, other.form) == ('huggingface', 'tensorflow')
  assert one.config_file.name == 'config.json'
  assert other.config_file.name == 'bert_config.json'


@pytest.mark.parametrize('name', ['nowhere', 'notes.txt', '.'])
def test_what_is_no_checkpoint_says_what_would_be(
  name: str, tmp_path: Path
) -> None:
  (tmp_path / 'notes.txt').write_text('hello')
  given = str(tmp_path / name)
  with pytest.raises(InputError) as caught:
    detect.detect(given)
  assert given in str(caught.value)
  assert 'TF1' in str(caught.value) or 'copy it' in str(caught.value)


def test_casing_is_asked_for(tmp_path: Path) -> None:
  model_folders.write_tensorflow(tmp_path)
  with pytest.raises(InputError, match='--do_lower_case'):
    pretrained.load_pretrained(tmp_path)


def test_a_classifier_nobody_names_is_asked_about(tmp_path: Path) -> None:
  model_folders.write_tensorflow(tmp_path / 'tf', 'token')
  given = tmp_path / 'tf'
  model = pretrained.load_pretrained(given, do_lower_case=False)
  assert model.head == 'classifier'
  with pytest.raises(InputError, match='--head=token or --head=sequence'):
    import_weights.import_weights(model, str(tmp_path / 'kept'))
  model = pretrained.load_pretrained(given, do_lower_case=False, head='token')
  with pytest.raises(InputError, match='--labels'):
    import_weights.import_weights(model, str(tmp_path / 'kept'))
  with pytest.raises(InputError, match='3 classes, but 2 labels'):
    pretrained.load_pretrained(given, False, 'token', ('O', 'B'))
  with pytest.raises(InputError, match='named twice'):
    pretrained.load_pretrained(given, False, 'token', ('O', 'B', 'B'))
  model = pretrained.load_pretrained(given, False, 'token', LABELS)
  import_weights.import_weights(model, str(tmp_path / 'kept'))
  again = pretrained.load_pretrained(tmp_path / 'kept')
  assert (again.head, again.labels) == ('token', LABELS)
  other = pretrained.load_pretrained(
    tmp_path / 'kept', head='sequence', labels=('X', 'Y', 'Z')
  )
  assert (other.head, other.labels) == ('sequence', ('X', 'Y', 'Z'))


@pytest.fixture(scope='module')
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
  """A work folder of one epoch, to be copied or read."""
  folder = tmp_path_factory.mktemp('trained')
  train.train(small_run.config(train__epochs=1.0), str(folder))
  return folder


def test_a_work_folder_is_read_whole(trained: Path, tmp_path: Path) -> None:
  model = pretrained.load_pretrained(trained)
  assert (model.source.form, model.head) == ('workdir', 'token')
  assert model.settings == {
    'max_seq_length': 128,
    'window_overlap': 32,
    'entity_type': 'Entity',
  }
  assert set(model.about['results']) == {'devel', 'test'}
  config = small_run.config(train__epochs=1.0, compute__scan_layers=True)
  train.train(config, str(tmp_path / 'scan'))
  scanned = pretrained.load_pretrained(tmp_path / 'scan')
  assert scanned.params.keys() == model.params.keys()
  import_weights.import_weights(scanned, str(tmp_path / 'kept'))
  kept = pretrained.load_pretrained(tmp_path / 'kept')
  assert kept.about['results'] == scanned.about['results']
  assert kept.settings == scanned.settings


@pytest.mark.parametrize('scan', [False, True])
def test_a_run_starts_from_what_was_imported(
  scan: bool, tmp_path: Path
) -> None:
  params = model_folders.write_huggingface(tmp_path / 'model')
  model = pretrained.load_pretrained(tmp_path / 'model')
  import_weights.import_weights(model, str(tmp_path / 'kept'))
  for given in ('model', 'kept'):
    config = small_run.config(
      init_from=str(tmp_path / given),
      compute__scan_layers=scan,
      data__max_seq_length=64,
    )
    made = experiment.from_config(config)
    abstract = jax.eval_shape(made.task.init, jax.random.key(0))
    _, arrays = experiment.load_weights(made, abstract)
    table = 'bert/embeddings/word_embeddings'
    np.testing.assert_array_equal(arrays[table], params[table])
    # The run's labels are B-…, I-…: the classifier starts anew.
    assert 'classifier/kernel' not in arrays
    layers = [path for path in arrays if 'intermediate/dense/kernel' in path]
    assert len(layers) == (1 if scan else 2)


def _flip(path: Path) -> None:
  data = bytearray(path.read_bytes())
  data[-100] ^= 1
  path.write_bytes(data)


def test_damage_is_refused_by_name_within_a_second(tmp_path: Path) -> None:
  model_folders.write_huggingface(tmp_path / 'model')
  model = pretrained.load_pretrained(tmp_path / 'model')
  good = tmp_path / 'kept'
  import_weights.import_weights(model, str(good))
  largest = max((good / 'params').rglob('*'), key=lambda p: p.stat().st_size)

  def refused(what: str) -> None:
    began = time.perf_counter()
    with pytest.raises(InputError) as caught:
      pretrained.load_pretrained(good)
    assert time.perf_counter() - began < 1
    assert what in str(caught.value)
    assert '\n' not in str(caught.value)

  kept = largest.read_bytes()
  _flip(largest)
  refused(f'{largest.name}: differs from its checksum')
  largest.write_bytes(kept[:-1])
  refused(f'{largest.name}: differs from its checksum')
  largest.write_bytes(kept)
  pretrained.load_pretrained(good)
  # A vocabulary that lost a line, with checksums made anew.
  (good / 'SHA256SUMS').unlink()
  vocab = good / 'vocab.txt'
  vocab.write_text(vocab.read_text().replace('A\n', ''))
  refused('the vocabulary has 49 tokens but the checkpoint embeds 50')


def test_a_layer_too_few_is_listed(tmp_path: Path) -> None:
  model_folders.write_huggingface(tmp_path)
  path = tmp_path / 'config.json'
  stored = json.loads(path.read_text())
  path.write_text(json.dumps(stored | {'num_hidden_layers': 3}))
  with pytest.raises(InputError, match=r'missing bert\.encoder\.layer\.2\.'):
    pretrained.load_pretrained(tmp_path)
  path.write_text(json.dumps(stored | {'num_hidden_layers': 1}))
  with pytest.raises(InputError, match=r'unmapped bert\.encoder\.layer\.1\.'):
    pretrained.load_pretrained(tmp_path)


def test_heads_that_make_no_model_are_named(tmp_path: Path) -> None:
  params = random_models.flat_params('token')
  params |= random_models.flat_params('span')
  model_folders.write_huggingface(tmp_path)
  huggingface.write(tmp_path, params, model_folders.CONFIG, 'token', LABELS)
  with pytest.raises(InputError, match='classifier, qa_outputs together'):
    pretrained.load_pretrained(tmp_path)
  model = pretrained.load_pretrained(tmp_path, skip=r'qa_outputs\..*')
  assert model.head == 'token'
  assert model.contents.skipped == {'left out as asked': 2}
  with pytest.raises(InputError, match=r'--skip=\(: no regular expression'):
    pretrained.load_pretrained(tmp_path, skip='(')


def test_programs_are_not_trained_from(tmp_path: Path) -> None:
  model_folders.write_huggingface(tmp_path)
  record = {'form': 'onnx', 'weights': 'model.onnx', 'head': 'token'}
  record |= {'labels': [], 'settings': {}, 'about': {}}
  (tmp_path / 'biobert_jax.json').write_text(json.dumps(record))
  with pytest.raises(InputError, match='compiled for onnx'):
    experiment.from_config(small_run.config(init_from=str(tmp_path)))


def test_a_copy_of_a_run_elsewhere_is_read(
  trained: Path, tmp_path: Path
) -> None:
  shutil.copytree(trained, tmp_path / 'moved')
  model = pretrained.load_pretrained(tmp_path / 'moved')
  best = max((tmp_path / 'moved' / 'best').glob('[0-9]*'))
  (best / 'params' / '_METADATA').unlink()
  # The state of the same step has the same parameters.
  assert_equal(pretrained.load_pretrained(best.parents[1]).params, model.params)
  shutil.rmtree(tmp_path / 'moved' / 'checkpoints' / best.name)
  with pytest.raises(InputError, match='damaged .* or use step 4'):
    pretrained.load_pretrained(tmp_path / 'moved')
  shutil.rmtree(best)
  shutil.rmtree(tmp_path / 'moved' / 'checkpoints')
  with pytest.raises(InputError, match='holds no parameters; train first'):
    pretrained.load_pretrained(tmp_path / 'moved')
  assert model.params


def test_a_flipped_bit_in_a_work_folder_names_the_parameter(
  trained: Path, tmp_path: Path
) -> None:
  shutil.copytree(trained, tmp_path / 'run')
  params = max((tmp_path / 'run' / 'best').glob('[0-9]*')) / 'params'
  shutil.rmtree(tmp_path / 'run' / 'checkpoints' / params.parent.name)
  step = orbax_params.read_params(params)
  table = step['bert']['embeddings']['word_embeddings']
  table[3, 5] += 1e-3
  shutil.rmtree(params)
  orbax_params.write_params(params, step)
  for program in (
    lambda: pretrained.load_pretrained(tmp_path / 'run'),
    lambda: evaluate.evaluate(str(tmp_path / 'run'), 'test'),
  ):
    with pytest.raises(InputError, match='word_embeddings differs from its'):
      program()


def test_an_output_that_holds_other_things_stays(tmp_path: Path) -> None:
  model_folders.write_huggingface(tmp_path / 'model')
  model = pretrained.load_pretrained(tmp_path / 'model')
  kept = tmp_path / 'kept'
  import_weights.import_weights(model, str(kept))
  again = pretrained.load_pretrained(kept)
  for output, what in (
    ('', 'is empty'),
    (str(tmp_path / 'model'), 'not an import or export of ours'),
    (str(tmp_path), 'not an import or export of ours'),
    (str(kept), 'the model is read from there'),
  ):
    with pytest.raises(InputError, match=what):
      import_weights.import_weights(again, output, overwrite=True)
  import_weights.import_weights(model, str(kept), overwrite=True)
  assert (tmp_path / 'model' / 'vocab.txt').exists()


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
  model_folders.write_huggingface(tmp_path / 'model')
  killed = (
    'import os, signal, sys\n'
    'from biobert_jax.checkpoints import model_folder as folder\n'
    'with folder.publish_folder(sys.argv[1], False) as aside:\n'
    "  (aside / 'half').write_text('')\n"
    '  os.kill(os.getpid(), signal.SIGKILL)\n'
  )
  subprocess.run([sys.executable, '-c', killed, tmp_path / 'kept'], check=False)
  assert len(list(tmp_path.glob('.kept.*'))) == 1
  import_weights.import_weights(
    pretrained.load_pretrained(tmp_path / 'model'), str(tmp_path / 'kept')
  )
  assert list(tmp_path.glob('.kept.*')) == []


def test_two_imports_of_a_model_are_one_model_to_a_run(tmp_path: Path) -> None:
  model_folders.write_huggingface(tmp_path / 'model')
  model = pretrained.load_pretrained(tmp_path / 'model')
  digests = set()
  for name in ('one', 'two'):
    import_weights.import_weights(model, str(tmp_path / name))
    found = detect.detect(tmp_path / name)
    digests.add(workdir.weights_digest(found))
  assert len(digests) == 1


def test_hostile_files_are_one_error(
  tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
  def fresh() -> Path:
    shutil.rmtree(tmp_path / 'm', ignore_errors=True)
    model_folders.write_huggingface(tmp_path / 'm')
    return tmp_path / 'm'

  deep = '[' * 100_000
  for name in ('config.json', 'tokenizer_config.json', 'biobert_jax.json'):
    (fresh() / name).write_text(deep)
    with pytest.raises(InputError, match=name):
      pretrained.load_pretrained(tmp_path / 'm')
  path = fresh() / 'config.json'
  stored = json.loads(path.read_text())
  path.write_text(json.dumps(stored | {'num_hidden_layers': 2_000_000}))
  with pytest.raises(InputError, match='too few for 2000000 layers'):
    pretrained.load_pretrained(tmp_path / 'm')
  for label in (['a'], 'a\x1b[31m'):
    labels = {'id2label': {'0': label, '1': 'b', '2': 'c'}}
    path.write_text(json.dumps(stored | labels))
    caplog.clear()
    assert not pretrained.load_pretrained(tmp_path / 'm').labels
    assert f'{label!r} is not the name of a class' in caplog.text
  import_weights.import_weights(
    pretrained.load_pretrained(fresh()), str(tmp_path / 'kept')
  )
  record = tmp_path / 'kept' / 'biobert_jax.json'
  stored = json.loads(record.read_text())
  for changes in (
    {'weights': '../m'},
    {'weights': '..'},
    {'weights': 3},
    {'labels': 5},
    {'labels': [1, 2, 3]},
    {'head': 'span'},
    {'form': 'keras'},
  ):
    record.write_text(json.dumps(stored | changes))
    (tmp_path / 'kept' / 'SHA256SUMS').unlink(missing_ok=True)
    with pytest.raises(InputError, match=r'biobert_jax\.json'):
      pretrained.load_pretrained(tmp_path / 'kept')


def test_a_tagger_without_named_classes_is_asked_about(tmp_path: Path) -> None:
  model_folders.write_huggingface(tmp_path)
  path = tmp_path / 'config.json'
  stored = json.loads(path.read_text())
  del stored['id2label'], stored['label2id']
  path.write_text(json.dumps(stored))
  with pytest.raises(InputError, match='--labels=A,B,C'):
    tagger.Tagger(str(tmp_path))


def test_labels_are_for_classifiers(tmp_path: Path) -> None:
  model_folders.write_huggingface(tmp_path, 'encoder')
  with pytest.raises(InputError, match='leave --labels out'):
    pretrained.load_pretrained(tmp_path, labels=('A', 'B'))

"""Models, corpora and predictions in a bucket, as Python opens them.

What is read equals what lies on a disk, and no file is fetched that is not
needed.
"""

import json
import pathlib
import re
import time
from collections import Counter

import pytest

from biobert_jax import Tagger
from biobert_jax.checkpoints import detect, import_weights, pretrained
from biobert_jax.checkpoints.formats import safetensors_file
from biobert_jax.commands import config_files
from biobert_jax.errors import BucketError, InputError
from biobert_jax.inference import finished_parts
from biobert_jax.io import storage
from biobert_jax.preflight import preflight
from biobert_jax.text.documents import Document
from biobert_jax.text.wordpiece import WordPieceTokenizer
from biobert_jax.training import experiment
from tests.fixtures import model_folders, small_run
from tests.gcs.door import ALWAYS, Door, Fault

TOKENIZER = {'vocab.txt', 'tokenizer_config.json'}


def upload(folder: pathlib.Path, to: str) -> None:
  for file in storage.files(folder):
    content = storage.read_bytes(file.place)
    storage.write(f'{to}/{file.place.relative_to(folder)}', content)


def fetched(door: Door) -> set[str]:
  """The names of the objects whose content was asked for."""
  asked = (re.search(r'GET .*/o/(\S+)\?.*alt=media', e.line) for e in door.log)
  return {match[1].replace('%2F', '/') for match in asked if match}


def write_sharded(folder: pathlib.Path) -> None:
  model_folders.write_huggingface(folder)
  whole = (folder / 'model.safetensors').rename(folder / 'model-1.safetensors')
  where = dict.fromkeys(safetensors_file.read(whole), whole.name)
  index = folder / 'model.safetensors.index.json'
  index.write_text(json.dumps({'weight_map': where}))


@pytest.mark.parametrize(
  ('write', 'name', 'needed'),
  [
    (
      model_folders.write_tensorflow,
      'bert_model.ckpt',
      {
        *('bert_config.json', 'vocab.txt', 'bert_model.ckpt.index'),
        *('bert_model.ckpt.data-00000-of-00001', 'checkpoint'),
      },
    ),
    (
      model_folders.write_huggingface,
      '',
      {*TOKENIZER, 'config.json', 'model.safetensors'},
    ),
    (
      write_sharded,
      '',
      {
        *(*TOKENIZER, 'config.json', 'model-1.safetensors'),
        'model.safetensors.index.json',
      },
    ),
  ],
)
def test_a_model_with_the_files_it_needs(
  write, name, needed, bucket, door, tmp_path
):
  folder = tmp_path / 'model'
  write(folder)
  for other in ('tf_model.h5', 'a.onnx', 'far/below/it.bin', 'LICENSE.md'):
    (folder / other).parent.mkdir(parents=True, exist_ok=True)
    (folder / other).write_text('not needed')
  upload(folder, f'{bucket}/my model')
  door.log.clear()
  given = (False, '', ())
  here = pretrained.load_pretrained(folder / name, *given)
  there = pretrained.load_pretrained(f'{bucket}/my model/{name}', *given)
  pretrained.check_equal(here, there)
  assert fetched(door) == {f'my%20model/{one}' for one in needed}
  assert there.source.name == (name or 'my model')


def test_an_import_is_whole_or_absent(bucket, door, tmp_path):
  model_folders.write_huggingface(tmp_path / 'model')
  model = pretrained.load_pretrained(tmp_path / 'model')
  place = f'{bucket}/imported'
  import_weights.import_weights(model, place)
  storage.write(f'{place}/params/old', 'of an earlier version')
  first = storage.generation(f'{place}/biobert_jax.json')
  with pytest.raises(InputError, match='already exists and is not empty'):
    import_weights.import_weights(model, place)
  again = pretrained.load_pretrained(place)
  with pytest.raises(InputError, match='the model is read from there'):
    import_weights.import_weights(again, place, overwrite=True)
  import_weights.import_weights(model, place, overwrite=True)
  assert storage.generation(f'{place}/biobert_jax.json') != first
  assert not storage.exists(f'{place}/params/old')
  # It ends in the middle: what is there is no import any more.
  door.faults.append(Fault('status', 'POST /upload', ALWAYS, skip=3, code=403))
  with pytest.raises(BucketError, match='access denied'):
    import_weights.import_weights(model, place, overwrite=True)
  with pytest.raises(InputError, match='no checkpoint'):
    pretrained.load_pretrained(place)


def test_a_tagger_opens_a_model_in_a_bucket(bucket, tmp_path):
  model_folders.write_huggingface(tmp_path / 'model')
  upload(tmp_path / 'model', f'{bucket}/model')
  text = 'Gout hurts.'
  here, there = (
    Tagger(str(one)) for one in (tmp_path / 'model', f'{bucket}/model')
  )
  assert there(text) == here(text)


def test_weights_are_known_again_on_another_machine(
  bucket, tmp_path, monkeypatch
):
  model_folders.write_huggingface(tmp_path / 'model')
  upload(tmp_path / 'model', f'{bucket}/model')
  found = []
  for machine in ('one', 'other'):
    monkeypatch.setenv('BIOBERT_CACHE', str(tmp_path / machine))
    found.append(detect.identity(detect.detect(f'{bucket}/model')))
  time.sleep(0.01)
  upload(tmp_path / 'model', f'{bucket}/model')
  found.append(detect.identity(detect.detect(f'{bucket}/model')))
  assert found[0] == found[1] != found[2]


def test_added_tokens_beside_a_vocabulary(bucket, tmp_path):
  model_folders.write_huggingface(tmp_path / 'model')
  tokens = {'IL-2': len(model_folders.pieces())}
  (tmp_path / 'model' / 'added_tokens.json').write_text(json.dumps(tokens))
  upload(tmp_path / 'model', f'{bucket}/model')
  here, there = (
    WordPieceTokenizer.from_vocab_file(f'{folder}/model/vocab.txt', False)
    for folder in (tmp_path, bucket)
  )
  assert there == here
  assert [token.content for token in there.added] == ['IL-2']


def test_a_config_and_all_that_it_names(bucket, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  model_folders.write_huggingface(tmp_path / 'model')
  small = small_run.config()
  for name, folder in (('model', tmp_path / 'model'), ('data', small.data.dir)):
    upload(pathlib.Path(folder), f'{bucket}/{name}')
  text = 'from configs import quickstart\n\n\ndef get_config(size):\n'
  text += '  config = quickstart.get_config(size)\n'
  text += f"  config.data.dir = '{bucket}/data'\n  return config\n"
  storage.write(f'{bucket}/mine.py', text)
  given = [('vocab.path', f'{bucket}/model/vocab.txt')]
  config = config_files.load_config(f'{bucket}/mine.py:tiny', given)
  config.vocab.do_lower_case = False
  config.data.max_seq_length = 32
  there = experiment.from_config(config)
  assert there.tokenizer.pieces == model_folders.pieces()
  config.vocab.path, config.init_from = None, f'{bucket}/model'
  there = experiment.from_config(config)
  config.data.dir, config.init_from = small.data.dir, str(tmp_path / 'model')
  here = experiment.from_config(config)
  assert there.dataset.sha256 == here.dataset.sha256
  assert there.tokenizer == here.tokenizer
  assert {path.name for path in tmp_path.iterdir()} <= {'cache', 'model'}


def test_finished_parts_lie_beside_the_output(bucket):
  output, seen = f'{bucket}/out.jsonl', []

  def predict(part):
    seen.append([document.id for document in part])
    return part

  def records(*names):
    for name in names:
      if name == 'bad':
        raise InputError('in.txt:4: bad')
      yield Document(name, f'Text {name}')

  def run(*names):
    parts = finished_parts.FinishedParts(output, 'key')
    found = parts.predict(predict, records(*names), 2, Counter())
    return parts, [document.id for document in found]

  with pytest.raises(InputError, match='bad'):
    run('a', 'b', 'c', 'bad')
  assert storage.names(f'{output}.parts') == ['000000.json', '000001.json']
  parts, found = run('a', 'b', 'c', 'd')
  assert found == [*'abcd']
  assert seen == [['a', 'b'], ['c'], ['d']]
  parts.delete()
  assert storage.files(bucket) == []


def test_what_the_compiler_says_is_kept(bucket):
  hlo = f'{bucket}/hlo'
  with preflight._folder(hlo, 'v5e-4:train') as folder:
    (folder / 'module.txt').write_text('HloModule')
    assert storage.files(bucket) == []
  place = f'{hlo}/v5e-4-train'
  assert storage.read_text(f'{place}/module.txt') == 'HloModule'
  with (
    pytest.raises(InputError, match=f'--hlo {place}: not empty'),
    preflight._folder(hlo, 'v5e-4:train'),
  ):
    raise AssertionError

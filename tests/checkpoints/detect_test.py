"""The form of a model is detected once per command, as are damaged files."""

import pathlib
from collections import Counter

import pytest

from biobert_jax.checkpoints import detect, export, model_folder, pretrained
from biobert_jax.errors import InputError
from biobert_jax.inference import embed, predict
from tests.fixtures import model_folders


@pytest.fixture(scope='module')
def exported(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
  """An export of a tagger, with checksums."""
  folder = tmp_path_factory.mktemp('models')
  model_folders.write_huggingface(folder / 'source')
  model = pretrained.load_pretrained(folder / 'source')
  export.export(model, detect.HUGGINGFACE, str(folder / 'exported'))
  return folder / 'exported'


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
  """File -> how often its checksum was computed, which reads all its bytes."""
  counts: Counter[str] = Counter()
  compute = model_folder.file_sha256

  def counted(path: pathlib.Path) -> str:
    counts[str(path)] += 1
    return compute(path)

  monkeypatch.setattr(model_folder, 'file_sha256', counted)
  return counts


@pytest.mark.parametrize('command', ['predict', 'embed', 'export'])
def test_a_command_checks_the_bytes_of_a_model_once(
  command, exported, passes, tmp_path
):
  text = tmp_path / 'in.txt'
  text.write_text('A B C\n')
  if command == 'predict':
    predict.predict(str(exported), str(text), str(tmp_path / 'out'), 'jsonl')
  elif command == 'embed':
    embed.embed(str(exported), str(text), str(tmp_path / 'out.jsonl'))
  else:
    model = pretrained.load_pretrained(exported)
    export.export(model, detect.TENSORFLOW, str(tmp_path / 'out'))
  read = {p: n for p, n in passes.items() if p.startswith(str(exported))}
  assert read[str(exported / 'model.safetensors')] == 1
  assert set(read.values()) == {1}


def test_a_source_is_not_detected_again(exported, passes):
  source = detect.detect(exported)
  assert source.form == detect.HUGGINGFACE
  passes.clear()
  assert pretrained.load_pretrained(source).source is source
  assert not passes


def test_a_damaged_tensor_is_named(exported, tmp_path):
  for path in model_folder.list_files(exported):
    (tmp_path / path.name).write_bytes(path.read_bytes())
  weights = tmp_path / 'model.safetensors'
  content = bytearray(weights.read_bytes())
  content[-1] ^= 1
  weights.write_bytes(content)
  with pytest.raises(InputError, match=r'differs from its checksum.*\(tensor '):
    detect.detect(tmp_path)


@pytest.mark.parametrize(
  ('name', 'what'),
  [
    ('saved_model.pb', 'a TensorFlow SavedModel'),
    ('adapter_model.safetensors', 'an adapter, to be merged'),
    ('weights.gguf', 'weights for llama.cpp'),
  ],
)
def test_what_is_not_read_is_called_by_its_name(name, what, tmp_path):
  (tmp_path / name).touch()
  for given in (tmp_path, tmp_path / name):
    with pytest.raises(InputError, match=f'{name} is {what}.*, which is not'):
      detect.detect(given)


def test_weights_of_another_name_are_to_be_named(tmp_path):
  path = tmp_path / 'ckpt_8601.pt'
  path.write_bytes(b'PK')
  with pytest.raises(InputError, match=f'has the weights, name it: {path}$'):
    detect.detect(tmp_path)
  assert detect.detect(path).weights == path


@pytest.mark.parametrize(
  ('given', 'message'),
  [
    ('', 'no checkpoint is named'),
    ('s3://bucket/model', 'supported are local paths and gs://BUCKET/NAME'),
    ('{here}/absent', 'no such file or folder'),
    ('{here}', 'no checkpoint \\(it holds notes.txt\\)'),
    ('{here}/notes.txt', 'not a checkpoint'),
  ],
)
def test_places_without_a_model(given, message, tmp_path):
  (tmp_path / 'notes.txt').touch()
  with pytest.raises(InputError, match=message):
    detect.detect(given.format(here=tmp_path))


def test_a_tf1_checkpoint_goes_before_copies_for_other_libraries(tmp_path):
  for name in ('tf_model.h5', 'flax_model.msgpack', 'bert_model.ckpt.index'):
    (tmp_path / name).touch()
  assert detect.detect(tmp_path).weights == tmp_path / 'bert_model.ckpt'
  (tmp_path / 'pytorch_model.bin').touch()
  with pytest.raises(InputError, match=r'pytorch_model\.bin and a TF1'):
    detect.detect(tmp_path)

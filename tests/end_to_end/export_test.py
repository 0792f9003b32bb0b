"""Exports: complete or absent, checked, and read by `predict`.

Also of `checkpoints/export.py` and `checkpoints/model_card.py`.
"""

import json
import pathlib
import re
import subprocess
import sys

import jax
import numpy as np
import pytest

from biobert_jax.checkpoints import (
  detect,
  export,
  huggingface,
  import_weights,
  model_card,
  pretrained,
)
from biobert_jax.checkpoints.formats.onnx import onnx
from biobert_jax.errors import InputError
from biobert_jax.inference import predict, tagger
from biobert_jax.models.heads import HEADS
from biobert_jax.models.param_tree import to_tree
from tests.fixtures import model_folders, shared_runs
from tests.fixtures.texts import TEXT

ROOT = pathlib.Path(__file__).parents[2]
Path = pathlib.Path


@pytest.fixture(scope='module')
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
  return shared_runs.tagger(tmp_path_factory)


@pytest.fixture(scope='module')
def exports(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
  """A folder with an export of each form."""
  folder = tmp_path_factory.mktemp('exports')
  model = pretrained.load_pretrained(trained)
  for form in export.FORMATS:
    export.export(model, form, str(folder / form))
  return folder


def entities(folder: Path, model: Path) -> str:
  """What `predict` finds in a text, rounded scores apart."""
  (folder / 'in.txt').write_text(TEXT, 'utf-8')
  out = folder / 'out.jsonl'
  predict.predict(str(model), str(folder / 'in.txt'), str(out))
  rows = [json.loads(line) for line in out.read_text('utf-8').splitlines()]
  found = [
    (
      row['id'],
      e['start'],
      e['end'],
      e['type'],
      e['text'],
      round(e['score'], 3),
    )
    for row in rows
    for e in row['entities']
  ]
  assert found
  return json.dumps(found, ensure_ascii=False)


@pytest.mark.parametrize('form', sorted(export.FORMATS))
def test_predict_finds_the_same_with_every_export(
  form: str, trained: Path, exports: Path, tmp_path: Path
) -> None:
  own = entities(tmp_path, trained)
  assert entities(tmp_path, exports / form) == own


@pytest.mark.parametrize('form', sorted(export.FORMATS))
def test_an_export_says_what_it_is(form: str, exports: Path) -> None:
  folder = exports / form
  assert detect.detect(folder).form == form
  card = (folder / 'README.md').read_text('utf-8')
  results = json.loads((folder / 'biobert_jax.json').read_text('utf-8'))
  f1 = results['about']['results']['test']['f1']
  assert f'| {f1} |' in card
  for fact in ('token-classification', 'learning rate 0.003', 'Checked'):
    assert fact in card
  assert str(exports.parent) not in card
  done = subprocess.run(
    ['sha256sum', '--check', '--quiet', 'SHA256SUMS'], cwd=folder, check=False
  )
  assert done.returncode == 0


@pytest.mark.parametrize('form', ['onnx', 'stablehlo'])
def test_the_code_of_a_card_runs(form: str, exports: Path) -> None:
  card = (exports / form / 'README.md').read_text('utf-8')
  (code,) = re.findall(r'```python\n(.*?)```', card, flags=re.S)
  done = subprocess.run(
    [sys.executable, '-c', code],
    cwd=exports / form,
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  assert '[[[' in done.stdout


def test_a_record_holds_no_folder_of_its_writer(
  trained: Path, exports: Path
) -> None:
  for path in (exports / 'huggingface').glob('*.*'):
    if path.suffix in ('.json', '.md'):
      assert str(trained.parent) not in path.read_text('utf-8')


def test_the_command_is_told_without_folders(tmp_path: Path) -> None:
  arguments = ['train', '--config=configs/quickstart.py:tiny']
  changes = ('train.epochs=1', 'train.evaluations=1', 'model.hidden_size=32')
  done = subprocess.run(
    [
      *(sys.executable, '-m', 'biobert_jax', *arguments),
      f'--workdir={tmp_path}/run',
      *(f'--config.{change}' for change in changes),
    ],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  model = pretrained.load_pretrained(tmp_path / 'run')
  card = model_card.write(model, 'huggingface', {})
  command = ' '.join(['python -m biobert_jax', *arguments, '--workdir=run'])
  assert f'- command: `{command} --config.train.epochs=1' in card


def test_hugging_face_labels_carry_the_type(exports: Path) -> None:
  config = json.loads((exports / 'huggingface' / 'config.json').read_text())
  model = pretrained.load_pretrained(exports / 'huggingface')
  assert len(config['id2label']) == len(model.labels)
  tokenizer = json.loads(
    (exports / 'huggingface' / 'tokenizer_config.json').read_text()
  )
  assert tokenizer['do_lower_case'] is model.tokenizer.do_lower_case


def test_bare_labels_get_the_corpus_type(tmp_path: Path) -> None:
  model_folders.write_huggingface(tmp_path / 'model')
  model = pretrained.load_pretrained(tmp_path / 'model')
  kept = pretrained.dataclasses.replace(model, settings={'entity_type': 'Gene'})
  export.export(kept, 'huggingface', str(tmp_path / 'out'))
  shown = huggingface.config_labels(tmp_path / 'out')
  assert shown == ('O', 'B-Gene', 'I-Gene')
  assert pretrained.load_pretrained(tmp_path / 'out').labels == ('O', 'B', 'I')


@pytest.mark.parametrize('form', ['tensorflow', 'huggingface'])
@pytest.mark.parametrize('head', HEADS)
def test_every_head_goes_out_and_comes_back(
  head: str, form: str, tmp_path: Path
) -> None:
  params = model_folders.write_huggingface(tmp_path / 'model', head)
  model = pretrained.load_pretrained(tmp_path / 'model')
  report = export.export(model, form, str(tmp_path / 'out'))
  assert report['checked']['tensors_bit_equal'] == len(params)
  again = pretrained.load_pretrained(tmp_path / 'out')
  assert (again.head, again.labels) == (model.head, model.labels)
  for path, array in params.items():
    np.testing.assert_array_equal(again.params[path], array)


# All heads stand in tests/checkpoints/formats.
@pytest.mark.parametrize('form', ['stablehlo', 'onnx'])
@pytest.mark.parametrize('head', ['pretraining', 'span'])
def test_heads_run_elsewhere(head: str, form: str, tmp_path: Path) -> None:
  model_folders.write_huggingface(tmp_path / 'model', head)
  model = pretrained.load_pretrained(tmp_path / 'model')
  checked = export.export(model, form, str(tmp_path / 'out'))['checked']
  assert checked['largest_difference'] <= export.TOLERANCES[form]


@pytest.mark.parametrize('form', ['stablehlo', 'onnx'])
def test_a_program_is_not_told_where_entities_start(
  form: str, tmp_path: Path
) -> None:
  model_folders.write_huggingface(tmp_path / 'model', 'entity_pair')
  model = pretrained.load_pretrained(tmp_path / 'model')
  with pytest.raises(InputError, match=f'a program for {form} is not told'):
    export.export(model, form, str(tmp_path / 'out'))
  assert not (tmp_path / 'out').exists()


def test_slots_survive_the_round_trip(tmp_path: Path) -> None:
  slots = {'global_step': np.asarray(7, np.int64)}
  model_folders.write_tensorflow(tmp_path / 'tf', **slots)
  model = pretrained.load_pretrained(tmp_path / 'tf', do_lower_case=False)
  import_weights.import_weights(model, str(tmp_path / 'kept'), slots=True)
  kept = pretrained.load_pretrained(tmp_path / 'kept')
  export.export(kept, 'tensorflow', str(tmp_path / 'out'))
  again = pretrained.load_pretrained(tmp_path / 'out')
  assert again.contents.slots['global_step'].read() == 7


def test_a_wrong_export_is_not_kept(
  tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
  model_folders.write_huggingface(tmp_path / 'model')
  model = pretrained.load_pretrained(tmp_path / 'model')
  write = onnx.write

  def slightly_off(directory, params, *rest):
    other = params | {'classifier/bias': params['classifier/bias'] + 1e-3}
    write(directory, other, *rest)

  monkeypatch.setattr(onnx, 'write', slightly_off)
  with pytest.raises(RuntimeError, match=r'differs from the model by 0\.001'):
    export.export(model, 'onnx', str(tmp_path / 'out'))
  assert [p.name for p in tmp_path.iterdir()] == ['model']


def test_an_output_that_is_not_finite_is_named(
  tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
  """The largest difference of NaN is 0."""
  model_folders.write_huggingface(tmp_path / 'model')
  model = pretrained.load_pretrained(tmp_path / 'model')
  write = onnx.write

  def overflowing(directory, params, *rest):
    bias = np.full_like(params['classifier/bias'], np.nan)
    write(directory, params | {'classifier/bias': bias}, *rest)

  monkeypatch.setattr(onnx, 'write', overflowing)
  with pytest.raises(InputError, match='of the output logits are not finite'):
    export.export(model, 'onnx', str(tmp_path / 'out'))
  assert not (tmp_path / 'out').exists()

  function = jax.jit(export._function(model))
  params = to_tree(model.params, scan_layers=False)

  def at_padding(ids, mask, types):
    found = function(params, ids, mask, types)
    found = {name: np.array(array) for name, array in found.items()}
    found['last_hidden_state'][mask == 0] = np.nan
    return found

  with pytest.raises(InputError, match='output last_hidden_state are not'):
    export._compare(model, at_padding, 'onnx')


@pytest.mark.parametrize('form', ['huggingface', 'tensorflow'])
def test_the_id_of_padding_is_that_of_the_vocabulary(
  form: str, tmp_path: Path
) -> None:
  model_folders.write_huggingface(tmp_path / 'model')
  vocab = tmp_path / 'model' / 'vocab.txt'
  pad, unknown, *rest = vocab.read_text().split('\n')
  vocab.write_text('\n'.join([unknown, pad, *rest]))
  model = pretrained.load_pretrained(tmp_path / 'model')
  export.export(model, form, str(tmp_path / 'out'))
  config = pretrained.load_pretrained(tmp_path / 'out').source.config_file
  assert json.loads(config.read_text())['pad_token_id'] == 1


def test_a_card_carries_the_licence_of_its_weights(tmp_path: Path) -> None:
  model_folders.write_huggingface(tmp_path / 'model')
  card = tmp_path / 'model' / 'README.md'
  for text, first in (
    ('---\nlicense: cc-by-4.0\n---\n', 'license: cc-by-4.0'),
    ('# No front matter\n', 'library_name: transformers'),
  ):
    card.write_text(text)
    model = pretrained.load_pretrained(tmp_path / 'model')
    import_weights.import_weights(model, str(tmp_path / 'kept'), overwrite=True)
    kept = pretrained.load_pretrained(tmp_path / 'kept')
    export.export(kept, 'huggingface', str(tmp_path / 'out'), overwrite=True)
    lines = (tmp_path / 'out' / 'README.md').read_text().splitlines()
    assert lines[:2] == ['---', first]


def test_a_flipped_bit_names_the_tensor(exports: Path, tmp_path: Path) -> None:
  for form, file in (
    ('huggingface', 'model.safetensors'),
    ('tensorflow', 'bert_model.ckpt.data-00000-of-00001'),
  ):
    folder = tmp_path / form
    folder.mkdir()
    for path in (exports / form).iterdir():
      (folder / path.name).write_bytes(path.read_bytes())
    data = bytearray((folder / file).read_bytes())
    data[-5] ^= 1
    (folder / file).write_bytes(data)
    with pytest.raises(InputError, match=r'classifier|output_weights|output'):
      pretrained.load_pretrained(folder)


def test_programs_cannot_be_converted(exports: Path, tmp_path: Path) -> None:
  model = pretrained.load_pretrained(exports / 'onnx')
  with pytest.raises(InputError, match='compiled for onnx'):
    export.export(model, 'huggingface', str(tmp_path / 'out'))
  with pytest.raises(InputError, match="'keras'; choose from"):
    export.export(model, 'keras', str(tmp_path / 'out'))


@pytest.mark.parametrize('head', ['sequence', 'encoder'])
def test_entities_need_a_token_classifier(head: str, tmp_path: Path) -> None:
  model_folders.write_huggingface(tmp_path, head)
  with pytest.raises(InputError, match=f'its head is {head}'):
    tagger.Tagger(str(tmp_path))


def test_labels_must_be_bio_tags() -> None:
  reference = ('[PAD]', 'B', 'I', 'O', 'X', '[CLS]', '[SEP]')
  tags = tagger.entity_tags(reference, 'here').tags
  assert tags == ('O', 'B', 'I', 'O', 'O', 'O', 'O')
  with pytest.raises(InputError, match='here: its labels .LABEL_0, LABEL_1'):
    tagger.entity_tags(('LABEL_0', 'LABEL_1'), 'here')


def test_both_commands_convert_by_themselves(tmp_path: Path) -> None:
  model_folders.write_tensorflow(tmp_path / 'tf')

  def command(name: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
      [sys.executable, '-m', 'biobert_jax', name, *options],
      cwd=ROOT,
      capture_output=True,
      text=True,
      check=False,
    )

  given, out = f'{tmp_path}/tf', f'{tmp_path}/out'
  asked = command('import', f'--input={given}', f'--output={out}')
  assert asked.returncode == 3
  assert asked.stderr.count('\n') == 1
  assert '--do_lower_case' in asked.stderr
  done = command(
    'export',
    f'--model={given}',
    '--format=huggingface',
    f'--output={out}',
    '--do_lower_case=false',
  )
  assert done.returncode == 0, done.stderr
  assert json.loads(done.stdout.splitlines()[-1])['head'] == 'pretraining'
  refused = command('import', f'--input={out}', f'--output={out}')
  assert refused.returncode == 3
  assert '--overwrite' in refused.stderr

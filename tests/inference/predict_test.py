"""One dispatch: a model's files say its task; it is detected once."""

import json
import pathlib
import subprocess
import types

import pytest

from biobert_jax.checkpoints import detect, export, model_folder, pretrained
from biobert_jax.checkpoints.detect import Source
from biobert_jax.checkpoints.pretrained import Pretrained
from biobert_jax.errors import InputError
from biobert_jax.inference import model_runner, predict
from tests.fixtures import model_folders


def opened(head, labels=(), settings=(), record=()):
  path = pathlib.Path('/nowhere')
  source = Source('given', 'imported', path, path, dict(record))
  settings = dict(settings)
  return Pretrained(source, None, None, None, head, labels, settings, {})


@pytest.mark.parametrize(
  ('model', 'task'),
  [
    *(
      (opened('token', record={'config': {'task': task}}), task)
      for task in predict.JOBS
    ),
    # Which then refuses it.
    (opened('masked_lm', record={'config': {'task': 'pretraining'}}), 'ner'),
    (opened('span'), 'qa'),
    (opened('yes_no'), 'yes_no'),
    (opened('sequence', ('No', 'yes')), 'yes_no'),
    (opened('sequence', ('yes',)), 'relation'),
    (
      opened('sequence', ('no', 'yes'), {'placeholders': ['@A$', '@B$']}),
      'relation',
    ),
    (opened('token', ('O', 'B')), 'ner'),
    (opened('encoder'), 'ner'),
  ],
)
def test_a_model_says_its_task(model, task):
  assert predict.task_of(model) == task


@pytest.mark.parametrize(('head', 'task'), [('token', 'ner'), ('span', 'qa')])
def test_tensors_say_the_task_where_no_file_does(head, task, tmp_path):
  model_folders.write_tensorflow(tmp_path, head)
  labels = ('O', 'B', 'I') if head == 'token' else ()
  model = pretrained.load_pretrained(tmp_path, False, labels=labels)
  assert predict.task_of(model) == task


def test_every_task_has_a_job_and_a_runner():
  assert predict.JOBS.keys() == model_runner.TASKS.keys()


def test_an_export_is_read_once(tmp_path, monkeypatch):
  """Its form is detected, its checksums compared, and no more."""
  model_folders.write_huggingface(tmp_path / 'model')
  opened = pretrained.load_pretrained(tmp_path / 'model')
  export.export(opened, 'huggingface', str(tmp_path / 'export'))
  (tmp_path / 'in.txt').write_text('A bad cold.\n')
  summed, detected = [], []
  sha256, found = model_folder.file_sha256, detect.detect
  monkeypatch.setattr(
    model_folder,
    'file_sha256',
    lambda path: summed.append(path.name) or sha256(path),
  )
  monkeypatch.setattr(
    detect,
    'detect',
    lambda path, step='': detected.append(path) or found(path, step),
  )
  out = tmp_path / 'out.jsonl'
  given, wanted = str(tmp_path / 'in.txt'), str(tmp_path / 'export')
  report = predict.predict(wanted, given, str(out))
  assert json.loads(out.read_text())['text'] == 'A bad cold.'
  assert report['documents'] == 1
  assert detected == [wanted]
  assert summed.count('model.safetensors') == 1


@pytest.mark.parametrize(
  ('labels', 'keep', 'what'),
  [
    (['B-Gene', 'B-Disease'], False, ''),
    (['B-Disease'], True, ''),
    (['B-Disease'], False, 'no tagger finds GENE, and r is about GENE and'),
    (['B-Gene', 'B-Disease', 'B-Species'], False, 't finds Species, and r is'),
    (['B'], True, 't finds Entity'),
  ],
)
def test_taggers_find_what_the_relations_are_between(labels, keep, what):
  def opened(name, labels, **settings):
    named = types.SimpleNamespace(given=name)
    return types.SimpleNamespace(source=named, labels=labels, settings=settings)

  taggers = [opened('t', ('O', tag), entity_type='Entity') for tag in labels]
  relations = opened('r', (), placeholders=('@GENE$', '@DISEASE$'))
  if not what:
    predict.check_types(taggers, relations, keep)
    return
  with pytest.raises(InputError, match=f'^--pipeline: {what}'):
    predict.check_types(taggers, relations, keep)


@pytest.mark.parametrize(('scores', 'form'), [('all', 'conll'), ('x', 'jsonl')])
def test_scores_are_of_jsonl(scores, form, tmp_path):
  model_folders.write_huggingface(tmp_path / 'model')
  (tmp_path / 'in.txt').write_text('One.')
  given = (str(tmp_path / 'in.txt'), str(tmp_path / 'out'), form)
  with pytest.raises(InputError, match='give best, or all with --format=jsonl'):
    predict.predict(str(tmp_path / 'model'), *given, scores=scores)


@pytest.mark.parametrize('name', ['', 'a'])
def test_one_model_is_named(name):
  with pytest.raises(InputError, match='needs one of --model and --pipeline'):
    predict.predict(name, '-', 'out', pipeline=name)


def test_progress_is_of_all_documents(tmp_path, monkeypatch, caplog):
  model_folders.write_huggingface(tmp_path / 'model')
  text, output = tmp_path / 'in.txt', str(tmp_path / 'out.jsonl')
  text.write_text('One.\nTwo.\nThree.\n')
  monkeypatch.setattr(predict, 'SECONDS_BETWEEN_LINES', 0.0)
  caplog.set_level('INFO', 'biobert_jax')
  model = str(tmp_path / 'model')
  done = predict.predict(model, str(text), output)
  assert done['documents'] == 3
  said = [m for m in caplog.messages if m.endswith(' documents done')]
  assert said == [f'{n} of 3 documents done' for n in (1, 2, 3)]


def test_files_of_every_form_are_one_input(tmp_path, caplog):
  model_folders.write_huggingface(tmp_path / 'model')
  folder = tmp_path / 'in'
  folder.mkdir()
  (folder / 'a.txt').write_text('A bad cold.\n\nA cold.\n')
  (folder / 'b.txt').write_text('A bad\ncold.')
  (folder / 'b.ann').write_text('T1\tDisease 6 10\tcold\n')
  rows = [{'pmid': '7', 'text': 'A cold.'}, {'doc_id': 'x', 'text': 'Bad.'}]
  (folder / 'c.json').write_text(json.dumps(rows, indent=2))
  (folder / 'LICENSE').write_text('No text.')
  (tmp_path / 'd.pubtator').write_text('n-1|t|A cold.\nn-1|a|\n')
  given = [str(tmp_path / 'd.pubtator'), str(folder)]
  out = tmp_path / 'out.jsonl'
  model = str(tmp_path / 'model')
  report = predict.predict(model, given, str(out))
  assert report['documents'] == 6
  ids = [json.loads(line)['id'] for line in out.read_text().splitlines()]
  assert ids == ['n-1', 'a.txt:1', 'a.txt:3', 'b', '7', 'x']
  assert 'skipped 1 files that are no text' in caplog.text
  # What was written is read again.
  again = tmp_path / 'again.jsonl'
  predict.predict(model, str(out), str(again))
  assert again.read_bytes() == out.read_bytes()
  tokens = tmp_path / 'tokens.tsv'
  tokens.write_text('A\tO\nbad\tO\ncold\tB\n\nOne\tO\n')
  with pytest.raises(InputError, match='a token/tag file') as raised:
    predict.predict(model, str(tokens), str(out))
  assert out.read_bytes() == again.read_bytes()
  # The remedy works.
  command = str(raised.value).partition('made by ')[2].partition('; to')[0]
  subprocess.run(command, shell=True, check=True, cwd=tmp_path)
  lines = str(tmp_path / 'lines.txt')
  assert predict.predict(model, lines, str(out))['documents'] == 2

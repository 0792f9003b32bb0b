"""Raw text to relations in one command: what its steps write, byte for byte."""

import json
import pathlib

import pytest

from biobert_jax import __main__ as command_line
from tests.fixtures import model_folders, shared_runs

TEXT = """\
In rats BRCA1 causes asthma and fever. Mice have no TP53.

Big cells of the liver spare IL-2 ; a trial of asthma predicts it. Yes.
"""
PUBTATOR = """\
7|t|A title without a stop
7|a|In rats BRCA1 causes asthma. Mice have TP53.
7\t31\t36\tBRCA1\tProtein
"""


def write_tagger(folder: pathlib.Path, labels: tuple[str, ...]) -> str:
  """A random tagger, to which every word is of its first label."""
  model_folders.write_huggingface(folder, 'token')
  config = json.loads((folder / 'config.json').read_text())
  config['id2label'] = {str(i): label for i, label in enumerate(labels)}
  (folder / 'config.json').write_text(json.dumps(config))
  return str(folder)


@pytest.fixture(scope='module')
def models(tmp_path_factory):
  """Taggers of genes and of diseases, and a model of relations."""
  folder = tmp_path_factory.mktemp('models')
  return (
    write_tagger(folder / 'genes', ('B-Gene', 'O', 'I-Gene')),
    write_tagger(folder / 'diseases', ('B-Disease', 'O', 'I-Disease')),
    str(shared_runs.relations(tmp_path_factory)[1]),
  )


def predict(*flags):
  assert command_line.main(['predict', *flags]) == 0


@pytest.mark.parametrize('text', [TEXT, PUBTATOR], ids=['plain', 'pubtator'])
@pytest.mark.parametrize('form', ['jsonl', 'tsv'])
def test_it_is_what_its_steps_write(models, text, form, tmp_path, capsys):
  genes, diseases, relations = models
  names = ('in.txt', 'one.jsonl', 'two.jsonl', 'steps', 'whole')
  raw, one, two, steps, whole = (str(tmp_path / name) for name in names)
  pathlib.Path(raw).write_text(text)
  keep = '--keep_entities=true'
  predict(f'--model={genes}', f'--input={raw}', f'--output={one}', keep)
  predict(f'--model={diseases}', f'--input={one}', f'--output={two}', keep)
  as_form = f'--format={form}'
  predict(
    f'--model={relations}', f'--input={two}', f'--output={steps}', as_form
  )
  reports = capsys.readouterr().out.splitlines()
  predict(
    f'--pipeline={",".join(models)}',
    *(f'--input={raw}', f'--output={whole}', keep, as_form),
  )
  report = json.loads(capsys.readouterr().out.splitlines()[-1])
  assert report == json.loads(reports[-1]) | {'output': whole}
  assert report['pairs'] > 3
  written = pathlib.Path(whole).read_bytes()
  assert written == pathlib.Path(steps).read_bytes()
  # Without the flag, the first tagger starts from the text alone.
  if text is PUBTATOR and form == 'jsonl':
    assert b'"BRCA1", "score": 1.0' in written
    predict(
      f'--pipeline={",".join(models)}', f'--input={raw}', f'--output={whole}'
    )
    alone = pathlib.Path(whole).read_bytes()
    assert b'"BRCA1", "score": 1.0' not in alone


@pytest.mark.parametrize('order', [(2, 0), (0, 1), (2,), (0, 2, 2)])
def test_taggers_come_first_and_relations_last(models, order, tmp_path, capsys):
  (tmp_path / 'in.txt').write_text(TEXT)
  names = ','.join(models[i] for i in order)
  code = command_line.main(
    [
      *('predict', f'--pipeline={names}', f'--input={tmp_path / "in.txt"}'),
      f'--output={tmp_path / "out"}',
    ]
  )
  said = capsys.readouterr().err
  assert (code, 'taggers, then one model of relations' in said) == (3, True)
  assert not (tmp_path / 'out').exists()

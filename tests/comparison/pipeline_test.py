"""transformers' pipeline on an export finds what `predict` finds."""

import json
import pathlib
import re
from collections import Counter

import pytest

from biobert_jax.checkpoints import export, pretrained
from biobert_jax.data.ner import corpus as ner_corpus
from biobert_jax.inference.tagger import Tagger
from biobert_jax.text import documents
from tests.comparison import baseline
from tests.fixtures import shared_runs

pytestmark = pytest.mark.skipif(not baseline.PYTHON, reason=baseline.REASON)

SAMPLE = baseline.REPOSITORY / 'biobert_jax' / 'sample' / 'ner'
# Written for this test: accents, Greek, an unknown character, hyphens. Of
# several Chinese characters in a row transformers makes a word each; corpora do
# as we do: one of all, which has one label.
TEXTS = (
  'Aspirin-induced nephropathy and hypertension were seen in René B.',
  'Naïve patients had hyponatraemia, 糖 and e\u0301dema.',
  'Nothing was found',
)
JOBS = baseline.REPOSITORY / 'biobert_jax' / 'commands' / 'README.md'
Spans = set[tuple[int, int, int, str]]


def sentences() -> list[str]:
  """Single sentences, into which `predict` cuts texts, and the pipeline not."""
  texts = [
    ' '.join(sentence.tokens)
    for split in ('devel', 'test')
    for sentence in ner_corpus.read_split(SAMPLE, split, Counter())
  ]
  assert len(texts) > 40
  return [*texts, *TEXTS]


@pytest.fixture(scope='module')
def base(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
  """A folder with a trained tagger's export, `model`."""
  base = tmp_path_factory.mktemp('pipeline')
  model = pretrained.load_pretrained(shared_runs.tagger(tmp_path_factory))
  export.export(model, 'huggingface', str(base / 'model'))
  return base


@pytest.fixture(scope='module')
def found(base: pathlib.Path) -> dict[str, Spans]:
  """Who -> (text, start, end, type) of every entity."""
  texts = sentences()
  (base / 'texts.json').write_text(json.dumps(texts), 'utf-8')
  files = [base / name for name in ('model', 'texts.json', 'found.json')]
  baseline.run(baseline.script('hf_pipeline.py'), *files)
  answers = json.loads((base / 'found.json').read_text('utf-8'))
  given = [documents.Document(str(i), text) for i, text in enumerate(texts)]
  tagged = Tagger(str(base / 'model'))(given)
  ours = {
    (i, e.start, e.end, e.type)
    for i, document in enumerate(tagged)
    for e in document.entities
  }
  return {'ours': ours} | {
    strategy: {(i, *entity) for i, row in enumerate(rows) for entity in row}
    for strategy, rows in answers.items()
  }


def test_the_python_session_of_the_readme_runs(base: pathlib.Path) -> None:
  text = JOBS.read_text('utf-8')
  (session,) = re.findall(r'```python\n(.*?)```', text, flags=re.S)
  code = session.replace('runs/x/huggingface', str(base / 'model'))
  code = re.sub(r"text = '.*'", "text = 'Aspirin reduced fever in rats.'", code)
  lines = [line.split() for line in baseline.run('-c', code).splitlines()]
  assert lines
  for start, end, kind, *text, _ in lines:
    assert kind in ('Chemical', 'Disease')
    found = 'Aspirin reduced fever in rats.'[int(start) : int(end)]
    assert found == ' '.join(text)


def test_first_pieces_decide_in_both(found: dict[str, Spans]) -> None:
  """Words take the label of their first piece: strategy 'first'."""
  ours = found['ours']
  print(f'{len(ours)} entities')
  assert len(ours) > 30
  assert {kind for *_, kind in ours} == {'Chemical', 'Disease'}
  assert any(end - start > 12 for _, start, end, _ in ours)
  assert found['first'] == ours


def test_by_itself_the_pipeline_cuts_words(found: dict[str, Spans]) -> None:
  """Strategy 'simple' asks every piece, though only first ones were taught."""
  assert found['simple'] != found['ours']
  assert len(found['simple'] & found['ours']) < len(found['ours'])

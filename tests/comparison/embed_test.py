"""`embed` beside transformers' hidden states and sentence-transformers."""

import dataclasses
import json
import sys
from collections import Counter
from typing import Any

import numpy as np
import pytest

from biobert_jax.data.ner import corpus as ner_corpus
from biobert_jax.inference.embed import Embedder
from biobert_jax.text.documents import Document
from tests.comparison import baseline

CORPUS = baseline.DATA / 'ncbi-disease'

pytestmark = [
  pytest.mark.skipif(not baseline.PYTHON, reason=baseline.REASON),
  pytest.mark.skipif(not CORPUS.is_dir(), reason=f'no real data: {CORPUS}'),
]

# Ours count from the last, theirs from the embeddings.
LAYERS = (-7, -6, -5, -4, -3, -2, -1)


@dataclasses.dataclass(frozen=True)
class Case:
  """What both sides were given, and what the baselines made of it."""

  model: str
  documents: list[Document]
  theirs: dict[str, np.ndarray]

  @property
  def offsets(self) -> np.ndarray:
    """Where the pieces of each text begin: at [CLS]."""
    first = self.theirs['input_ids'][0]
    begins = np.flatnonzero(self.theirs['input_ids'] == first)
    return np.append(begins, len(self.theirs['input_ids']))


@pytest.fixture(scope='module')
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
  """Runs the baselines once for all tests."""
  folder = tmp_path_factory.mktemp('baseline')
  model = str(baseline.checkpoint())
  read = ner_corpus.read_split(CORPUS, 'test', Counter())[::14][:64]
  texts = [' '.join(s.tokens) for s in read]
  # As long as sentence-transformers lets it be (256 pieces), and one piece.
  texts += [' '.join(texts[:5]), 'Aniridia']
  given = {'texts': texts, 'hidden': True, 'repeats': 0, 'threads': 2}
  (folder / 'given.json').write_text(json.dumps(given), 'utf-8')
  files = [folder / n for n in ('given.json', 'theirs.npz')]
  baseline.run(baseline.script('hf_embed.py'), model, *files)
  with np.load(files[1]) as arrays:
    theirs = dict(arrays)
  documents = [Document(str(i), text) for i, text in enumerate(texts)]
  return Case(model, documents, theirs)


def test_every_layer_of_every_piece_is_equal(case: Case) -> None:
  found = list(Embedder(case.model, LAYERS, 'tokens')(case.documents))
  ids = np.concatenate([text.input_ids for text in found])
  np.testing.assert_array_equal(ids, case.theirs['input_ids'])
  ours = np.concatenate([text.vectors for text in found])
  assert ours.shape[1] == 7
  difference = np.max(np.abs(ours - case.theirs['hidden']), axis=(0, 2))
  print('largest difference of each layer, the embeddings first:', difference)
  assert np.max(difference) <= 1e-5
  sizes = np.diff(case.offsets)
  assert 128 < max(sizes) <= 256  # Not all in rows of one length.


@pytest.fixture(scope='module')
def mean(case: Case) -> np.ndarray:
  """Ours, [texts, layers, D]."""
  found = Embedder(case.model, LAYERS, 'mean')(case.documents)
  return np.concatenate([text.vectors for text in found])


def test_mean_and_cls_are_equal(case: Case, mean: Any) -> None:
  hidden, offsets = case.theirs['hidden'], case.offsets
  wanted = {
    'mean': np.add.reduceat(hidden, offsets[:-1])
    / np.diff(offsets)[:, None, None],
    'cls': hidden[offsets[:-1]],
  }
  found = Embedder(case.model, LAYERS, 'cls')(case.documents)
  cls = np.concatenate([text.vectors for text in found])
  for pooling, ours in (('mean', mean), ('cls', cls)):
    difference = np.max(np.abs(ours - wanted[pooling]))
    print(f'{pooling}: largest difference {difference:.2e}')
    assert difference <= 1e-5


def test_sentence_transformers_gives_the_mean(case: Case, mean: Any) -> None:
  ours = mean[:, -1].copy()
  # Its last module normalises.
  ours /= np.linalg.norm(ours, axis=1, keepdims=True)
  difference = np.max(np.abs(ours - case.theirs['sentences']))
  print(f'largest difference {difference:.2e}')
  assert difference <= 1e-6


def test_the_comparison_of_rates_runs() -> None:
  printed = baseline.run(
    baseline.script('embed_comparison.py'),
    *('--limit=8', '--repeats=2'),
    python=sys.executable,
  )
  *table, last = printed.splitlines()
  assert [line.split()[0] for line in table] == ['ours', 'baseline', 'rate']
  report = json.loads(last)
  assert report['texts'] == 8
  assert report['difference'] <= 1e-6
  for name in ('ours', 'baseline'):
    assert len(report[name]['seconds']) == 2
    rate = 8 / np.median(report[name]['seconds'])
    assert report[name]['texts_per_second'] == pytest.approx(rate)

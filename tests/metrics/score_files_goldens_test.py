"""Random files score as the original scorers did, digit for digit."""

import json

import pytest

from biobert_jax.metrics import score_files
from tests.fixtures import scorer_goldens

GOLDENS = scorer_goldens.stored()


def figures_of(scorer, paths):
  """Our score of the files, and the line in the original's form."""
  task, _, variant = scorer.partition(' ')
  if task == 'conlleval':
    return score_files.score_ner(*paths)
  if task == 'squad':
    options = {'version': variant, 'threshold': 0.5}
    return score_files.score_squad(*paths, **options)
  return getattr(score_files, f'score_{task}')(*paths)


@pytest.mark.parametrize(
  'golden', GOLDENS, ids=[f'{one.scorer} {one.seed}' for one in GOLDENS]
)
def test_figures_are_what_the_original_printed(golden, tmp_path):
  files = scorer_goldens.files_of(golden.scorer, golden.seed)
  assert scorer_goldens.digest(files) == golden.sha256
  paths = scorer_goldens.write_files(files, tmp_path)
  outcome = figures_of(golden.scorer, paths)
  figures, printed = outcome.figures, golden.printed
  if golden.scorer.startswith('relation'):
    names = {'f1 score': 'f1'}
    rows = [line.split(':') for line in printed.splitlines()]
    assert len(rows) in (3, 4)
    for name, value in rows:
      name = name.strip()
      assert f'{figures[names.get(name, name)]:.2f}%' == value.strip()
  elif golden.scorer.startswith('squad'):
    theirs = json.loads(printed)
    assert {name: figures[name] for name in theirs} == theirs
  elif golden.scorer == 'pubmedqa':
    line = f'Accuracy {figures["accuracy"]:f}\nMacro-F1 {figures["macro_f1"]:f}'
    assert printed == f'{line}\n'
  else:
    assert outcome.line == printed.removesuffix('\n')


def test_every_scorer_has_its_seeds():
  seeds = {
    name: [*range(n)] for name, (_, n, _) in scorer_goldens.SCORERS.items()
  }
  found: dict[str, list[int]] = {}
  for golden in GOLDENS:
    found.setdefault(golden.scorer, []).append(golden.seed)
  assert found == seeds

"""Strict scores are seqeval's on 1,000 random files, and macro averages too."""

import json

import pytest

from biobert_jax.metrics import entity_matches, ner
from tests.comparison import baseline
from tests.fixtures.random_tags import random_files

pytestmark = pytest.mark.skipif(not baseline.PYTHON, reason=baseline.REASON)


def test_scores_are_seqeval_s(tmp_path):
  files = [*random_files(1000)]
  (tmp_path / 'files').write_text('\n'.join(map(json.dumps, files)))
  script = baseline.script('seqeval_scores.py')
  lines = baseline.run(script, tmp_path / 'files').splitlines()
  assert len(lines) == len(files)
  for (scheme, gold, predicted), line in zip(files, lines, strict=True):
    report = ner.evaluate(gold, predicted)
    found = entity_matches.evaluate(gold, predicted, report, scheme)
    ours = {'strict': found.strict, 'lenient': report.overall}
    ours['macro'] = found.macro
    # The lenient mode knows the heads of all schemes, conlleval only B and I.
    for name, theirs in json.loads(line).items():
      if report.per_type or name != 'macro':  # The mean over no type is NaN.
        score = ours[name]
        figures = [score.precision, score.recall, score.f1]
        theirs = [100 * figure for figure in theirs]
        assert figures == pytest.approx(theirs, rel=1e-13)

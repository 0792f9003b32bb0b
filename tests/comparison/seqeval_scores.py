"""Scores of seqeval: a file of [scheme, gold, predicted] -> lines of figures.

A script of the peers' interpreter; it imports nothing of ours.
"""

import json
import pathlib
import sys
import warnings

from seqeval import metrics, scheme


def figures(gold, predicted, **options):
  measures = metrics.precision_score, metrics.recall_score, metrics.f1_score
  return [
    float(measure(gold, predicted, zero_division=0, **options))
    for measure in measures
  ]


warnings.simplefilter('ignore')  # Of means over no type, which are NaN.
for line in pathlib.Path(sys.argv[1]).read_text('utf-8').splitlines():
  name, *tags = json.loads(line)
  found = {
    'strict': figures(*tags, mode='strict', scheme=getattr(scheme, name))
  }
  if name in ('IOB1', 'IOB2'):
    found['lenient'] = figures(*tags)
    found['macro'] = figures(*tags, average='macro')
  print(json.dumps(found))

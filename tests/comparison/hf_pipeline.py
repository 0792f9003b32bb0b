"""The entities that transformers' pipeline finds with one of our exports.

    BASELINE_PYTHON hf_pipeline.py MODEL_FOLDER TEXTS.json OUTPUT.json

TEXTS.json is a list of texts; OUTPUT.json takes aggregation strategy -> for
each text, a list of [start, end, type]. Runs in the baselines' interpreter and
imports nothing of biobert_jax.
"""

import json
import pathlib
import sys

import torch
import transformers

STRATEGIES = ('first', 'simple')


def main(model: str, source: str, target: str) -> None:
  """Reads, tags, writes."""
  torch.set_num_threads(1)
  transformers.utils.logging.disable_progress_bar()
  texts = json.loads(pathlib.Path(source).read_text('utf-8'))
  found = {}
  for strategy in STRATEGIES:
    ner = transformers.pipeline('ner', model, aggregation_strategy=strategy)
    found[strategy] = [
      [(e['start'], e['end'], e['entity_group']) for e in entities]
      for entities in ner(texts)
    ]
  pathlib.Path(target).write_text(json.dumps(found), 'utf-8')


if __name__ == '__main__':
  main(*sys.argv[1:])

"""The closing table of scripts/quickstart.sh."""

import json
import sys
from pathlib import Path

OUTPUTS = {
  'WordPiece vocabulary': 'vocabulary/vocab.txt',
  'token shards of the PubMed records': 'corpus',
  'report on them': 'corpus/report/report.html',
  'pre-trained model': 'pretrained',
  'its curves': 'pretrained/curves.png',
  'tagger, fine-tuned from it, and its config': '',
  'scores of the dev and test sets': 'results.json',
  'tagged test split (token, gold, predicted)': 'predictions_test.tsv',
  'the model for transformers, with its card': 'huggingface',
  'entities of two raw documents': 'paragraph.jsonl',
  'the same, marked in colour': 'paragraph.html',
}
NEXT = """
Next:
  echo 'Aspirin prevents stroke.' | .venv/bin/python -m biobert_jax predict \
--workdir={workdir} --input=- --output=entities.txt --format=brat
  .venv/bin/python -m biobert_jax train \
--config=configs/ner_ncbi_disease.py:tiny --workdir=runs/ncbi \
--config.data.dir=FOLDER"""


def entities_by_type(predictions: Path) -> dict[str, list[str]]:
  """The distinct entities of a JSONL file of `predict`, in order of reading."""
  found: dict[str, dict[str, None]] = {}
  for line in predictions.read_text('utf-8').splitlines():
    for entity in json.loads(line)['entities']:
      found.setdefault(entity['type'], {})[entity['text']] = None
  return {kind: list(texts) for kind, texts in found.items()}


def report(workdir: Path, scores: dict[str, float], seconds: int) -> str:
  """Tells the files that were made, their places and the next commands.

  Args:
    workdir: the quick start's folder.
    scores: the last line of `evaluate`.
    seconds: the whole run, with the environment.
  """
  # Before the first update no text has been seen, so that the first training
  # batch is as good as held-out text.
  pretrained = workdir / 'pretrained'
  metrics = (pretrained / 'metrics.jsonl').read_text('utf-8').splitlines()
  before = json.loads(metrics[0])['train/masked_lm_loss']
  results = json.loads((pretrained / 'results.json').read_text('utf-8'))
  after = results['results']['validation']['masked_lm_loss']
  found = entities_by_type(workdir / 'paragraph.jsonl')
  return '\n'.join(
    [
      f'Quick start done in {seconds} s.',
      '',
      *(f'  {what:<44}{workdir / name}' for what, name in OUTPUTS.items()),
      '',
      f'  masked tokens: loss {before:.2f} before pre-training, {after:.2f} on '
      f'held-out text after {results["step"]} steps',
      f'  test F1 {scores["f1"]:.1f} (precision {scores["precision"]:.1f}, '
      f'recall {scores["recall"]:.1f}) on the invented sample:',
      '  they say that the programs work, not that the model is good.',
      '',
      *(f'  {kind}: {", ".join(found[kind])}' for kind in sorted(found)),
      *([] if found else ['  No entity was found in the two documents.']),
      NEXT.format(workdir=workdir),
    ]
  )


if __name__ == '__main__':
  _, given, said, spent = sys.argv  # WORKDIR SCORES_JSON SECONDS
  print(report(Path(given), json.loads(said), int(spent)))

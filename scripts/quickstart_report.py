"""The closing table of scripts/quickstart.sh."""

import json
import sys
from pathlib import Path


def entities_by_type(predictions: Path) -> dict[str, list[str]]:
  """The distinct entities of a JSONL file of `predict`, in order of reading.

  Args:
    predictions: one document a line, each with its `entities`.

  Returns:
    Type of entity -> texts, each once.
  """
  found: dict[str, list[str]] = {}
  for line in predictions.read_text(encoding='utf-8').splitlines():
    for entity in json.loads(line)['entities']:
      texts = found.setdefault(entity['type'], [])
      if entity['text'] not in texts:
        texts.append(entity['text'])
  return found


def masked_lm_losses(pretrained: Path) -> tuple[float, float, int]:
  """How well masked tokens are predicted, before and after pre-training.

  Before the first update no text has been seen, so that the first training
  batch is as good as held-out text.

  Args:
    pretrained: a work folder of `train`.

  Returns:
    Loss (nats per token) before, on held-out text after, and the steps between.
  """
  metrics = (pretrained / 'metrics.jsonl').read_text(encoding='utf-8')
  first = json.loads(metrics.splitlines()[0])
  results = json.loads((pretrained / 'results.json').read_text('utf-8'))
  held_out = results['results']['validation']['masked_lm_loss']
  return first['train/masked_lm_loss'], held_out, results['step']


def report(workdir: Path, scores: dict[str, float], seconds: int) -> str:
  """What was made, where it lies and what to try next.

  Args:
    workdir: the quick start's folder.
    scores: the last line of `evaluate`.
    seconds: the whole run, with the environment.

  Returns:
    Lines to print.
  """
  outputs = {
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
  lines = [f'Quick start done in {seconds} s.', '']
  lines += [f'  {what:<44}{workdir / name}' for what, name in outputs.items()]
  before, after, steps = masked_lm_losses(workdir / 'pretrained')
  lines += [
    '',
    f'  masked tokens: loss {before:.2f} before pre-training, {after:.2f} on '
    f'held-out text after {steps} steps',
    f'  test F1 {scores["f1"]:.1f} (precision {scores["precision"]:.1f}, '
    f'recall {scores["recall"]:.1f}) on the invented sample:',
    '  they say that the programs work, not that the model is good.',
    '',
  ]
  found = entities_by_type(workdir / 'paragraph.jsonl')
  for kind, texts in sorted(found.items()):
    lines.append(f'  {kind}: {", ".join(texts)}')
  if not found:
    lines.append('  No entity was found in the two documents.')
  lines += [
    '',
    'Next:',
    f"  echo 'Aspirin prevents stroke.' | .venv/bin/python -m biobert_jax "
    f'predict --workdir={workdir} --input=- --output=entities.txt '
    f'--format=brat',
    '  .venv/bin/python -m biobert_jax train '
    '--config=configs/ner_ncbi_disease.py:tiny --workdir=runs/ncbi '
    '--config.data.dir=FOLDER',
  ]
  return '\n'.join(lines)


def main() -> None:
  """Prints the table; arguments: WORKDIR SCORES_JSON SECONDS."""
  workdir, scores, seconds = sys.argv[1:]
  print(report(Path(workdir), json.loads(scores), int(seconds)))


if __name__ == '__main__':
  main()
